/** Options of tools. One that several tools take is the same for all of them. */
import { z } from 'zod';

const text = (description: string) => z.string().min(1).max(1_000).optional().meta({ description });

export const field = {
  collection_name: text('The collection of documents that is searched'),
  top_k: z.int().min(1).max(100).optional().meta({ description: 'How many results are wanted' }),
  graph_name: text('The knowledge graph that is asked'),
  max_depth: z.int().min(1).max(10).optional().meta({ description: 'How many relations away an entity may be' }),
  system_name: text('The team of agents'),
  context: z.string().max(100_000).optional().meta({ description: 'What else is to be known for it' }),
  audio_path: text('The recording'),
  image_path: text('The image'),
  engine: text('What reads the text'),
  language: text('The language, such as `ko` or `en`'),
  file_id: text('The file in Google Drive'),
  doc_id: text('The document in Google Docs'),
  spreadsheet_id: text('The spreadsheet in Google Sheets'),
  recipient_email: z.email().optional().meta({ description: 'Whom the mail is for' }),
};
