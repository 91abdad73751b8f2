/**
 * What job types of one's own import. A file outside of this tree finds none of its packages, so it is given ours: the noun
 * of a job type, and the one zod that our schemas are of. All else is looked for from the file's own folder.
 */
import { registerHooks } from 'node:module';
import { extname } from 'node:path';

const OURS = /^(zod|@beanline\/shared)(\/|$)/;
const FORMATS: Record<string, string> = { '.ts': 'module-typescript', '.js': 'module' };

/** By the error of an import that leads nowhere: what was imported, and by which file. */
const failed = new WeakMap<object, { specifier: string; importer: string }>();

/** Lets the files of a folder, which are modules whatever the nearest package.json says, and all that they import find ours. */
export function giveOurs(folderUrl: string): void {
  const isIn = (url: string) => url.startsWith(folderUrl);
  const isPackage = (url: string) => url.includes('/node_modules/', isIn(url) ? folderUrl.length - 1 : 0);
  registerHooks({
    resolve(specifier, context, next) {
      const importer = context.parentURL ?? '';
      const isOurs = OURS.test(specifier) && !isPackage(importer);
      try {
        const found = next(specifier, isOurs ? { ...context, parentURL: import.meta.url } : context);
        const format = FORMATS[extname(found.url)];
        return format && isIn(found.url) && !isPackage(found.url) ? { ...found, format } : found;
      } catch (error) {
        failed.set(error as object, { specifier, importer });
        throw error;
      }
    },
  });
}

/** The import that an error is of. */
export const failedImport = (error: unknown) => failed.get(Object(error));
