/**
 * What speaks for each intent, in Korean and English: 6 for a product by its name, 3 and 4 for what hardly means anything else,
 * 2 for a plain word, less for words of any talk. Intents with the same score come in this order.
 */
import type { Intent } from '../intent.ts';
import { type Clue, clue } from './clues.ts';

const PICTURE =
  '사진|이미지|그림(?!을? ?(?:배우|그리|그려))|캡처|캡쳐|스크린샷|<짤|찍은|찍힌|찍었|photo*|pic|picture|image|selfie|screenshot|drawing|painting|jpe?g|png|webp';
const PAPER = '영수증|명함|간판|표지판|라벨|receipt|business card|sign|label|invoice|handwrit*';
const WRITING =
  '글자|글씨|텍스트|문자|숫자|번호|적힌|적혀|쓰여|써 있|써진|약 이름|serial|text|word|written|writing|says?|character|number';

const DOCUMENT =
  '문서|논문|매뉴얼|메뉴얼|설명서|계약서|규정|규칙|보고서|약관|안내서|회의록|위키|사규|취업규칙|내규|제안서|명세서|기획서|교재|판결문|공고문|가이드|document|paper|report|manual|handbook|contract|policy|policies|minute|pdf|docx|hwp|wiki|guideline|lease|spec|specification|agreement|terms|proposal|textbook|thesis|brochure|guide|whitepaper';
const MATERIAL = `${DOCUMENT}|자료|파일|노트|docs|file|notes|article|material`;
const ASK_OF_TEXT =
  '요약|정리|따르면|따라|바탕|근거|나와|어디|뭐라|내용|있어|있나|핵심|찾아|알려|비교|언제|며칠|라고 돼|허용|summar*|according|based on|mention*|find|look through|search|section|about|quote|which|answer|say|does|what is|what are|allow|how many|how long|when|who';

const NOW =
  '최근|요즘|현재|지금|올해|오늘|어제|방금|이번 주|실시간|right now|today|yesterday|currently|current|this week|this morning|these days|latest|recent*|tonight|so far|this year|this month|next month|yet|요새|이번 달|어젯밤|간밤|오늘자';
const NEWS_QUESTION =
  '얼마|어때|어떻게|뭐 있|결과|소식|상황|무슨 일|궁금|올랐|내렸|떨어졌|이겼|졌|했어|했나|됐어|됐나|what|who|how|is|are|any|has|did';

const MEETING =
  '회의|미팅|약속|예약|출장|생일|생신|점심|저녁|면담|회식|모임|세미나|수업|병원|치과|미용실|meeting|call|standup|lunch|dinner|appointment|dentist|review|interview|event|birthday|session';
const WHEN =
  '[월화수목금토일]요일|내일|모레|오늘|다음 주|이번 주|다음 달|오전|오후|\\d{1,2}시|\\d월|주말|다음달|저녁에|아침에|\\d{1,2} ?o.clock|noon|tonight|(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|today|next week|this week|\\d{1,2} ?[ap]m|afternoon|morning|evening|\\d{1,2}(?:st|nd|rd|th)|week';
const ARRANGE =
  '잡아|잡을|취소|미뤄|미룰|옮겨|추가|넣어|등록|바꿔|변경|적어|몇 시|언제|지워|삭제|cancel|move|book|put|add|set up|push|postpone|when|what time|do i have|free|invite|block|booked|잡혀|있더라|뭐 있|뭐 하|thing|plan';

const SEVERAL =
  '여러|서로|각자|각각|다양한|<두|<세|<네|<둘|several|multiple|two|three|four|different|each other|one another|together|between|both|group|team|panel';
const PARTY =
  '전문가|역할|관점|입장|비평가|패널|에이전트|ai|agent|expert|specialist|perspective|viewpoint|role|critic|persona|side';

const JUDGED =
  '모델|답변|응답|대답|프롬프트|챗봇|요약|번역|결과|rag|model|answer|response|reply|prompt|output|llm|gpt.{0,4}|claude|summar*|result|chatbot|classifier|system';

const sources: Record<Intent, [weight: number, expression: string][]> = {
  google_drive: [
    [6, '구글 드라이브|내 드라이브|공유 드라이브|google drive|gdrive|my drive'],
    [3, '드라이브'],
    [1, 'drive'],
    [3, '드라이브 + 파일|폴더|공유|올려|올리|업로드|저장|백업|용량|목록|사진|자료|내려|다운로드|휴지통|upload|folder'],
    [
      5,
      'drive + file|folder|upload*|shar*|space|storage|copy|delete|backup|back up|download*|photo|put|save|presentation|올려|파일',
    ],
  ],
  google_docs: [[6, '구글 문서|구글 닥스|구글 독스|구글 docs?|google doc|google document|gdoc']],
  google_gmail: [
    [6, '지메일|gmail|받은 ?편지함|메일함|편지함|inbox|mailbox'],
    [3, '메일|e?mail'],
    [
      3,
      '메일|e?mail + 보내|써|쓰고|답장|답신|온|찾아|읽|요약|정리|지워|삭제|있어|모아|보여|전달|send|sent|write|wrote|reply|draft|unread|search|forward|read|check|say|said|last|archive|delete|from|to|the',
    ],
    [4, '@mail + 보내|전달|답장|물어|send|write|forward|ask|reply|mail|email|message'],
    [2, '@mail'],
    [3, '답장|안 읽은 메|뉴스레터 구독|newsletter|unread message|unread'],
    [2, '스팸|spam|reply to|forward'],
  ],
  google_calendar: [
    [6, '캘린더|calendar'],
    [5, '일정|스케줄|reschedul*|appointment'],
    [4, `schedule + ${MEETING}|${WHEN}`],
    [3, '달력|remind me|빈 시간|비는 시간|시간 비'],
    [0.5, MEETING],
    [1, `${MEETING} + ${WHEN}`],
    [3, `${MEETING} + ${ARRANGE}`],
    [4, `비어|비는|한가|available|free|slot|busy|시간 돼|시간 되 + ${WHEN}`],
    [2, `${WHEN} + ${ARRANGE}`],
  ],
  google_sheets: [
    [6, '스프레드 ?시트|spread sheet|구글 시트|google sheet|엑셀|excel|xlsx|피벗|pivot table'],
    [4, '<시트|[가-힣] 시트|sheet'],
    [3, '[a-z]열|열의|행만|행을|<행 |컬럼|칼럼|<셀|수식|column|cell [a-z]?\\d*|formula|row'],
    [3, 'csv|vlookup|가계부|빈 칸|칸만|total of'],
    [1, '<표에|<표로|<표를|합계|평균|table|sum up|average|cell'],
    [0.5, '데이터|data'],
  ],
  ocr: [
    [
      6,
      'ocr|텍스트 추출|글자 인식|문자 인식|텍스트 인식|손글씨|손으로 쓴|자필|필기|handwrit*|text recognition|digiti[sz]e',
    ],
    [5, '스캔|scan*'],
    [5, `${PICTURE}|${PAPER} + ${WRITING}`],
    [2, `${PICTURE}|${PAPER} + 읽어|추출|뽑아|옮겨|인식|긁어|베껴|extract|read|copy|pull|grab|recogni*|get|plain text`],
    [2, PAPER],
    [2, '쓰여 있|적혀 있|써 있|뭐라고 쓰|뭐라고 적'],
  ],
  audio: [
    [5, '녹음|음성|오디오|받아 ?써|받아 ?적|받아쓰|전사|녹취|transcri*|audio|voice memo|podcast|팟캐스트|tts|stt'],
    [
      4,
      '자막|소리 내|낭독|들려줘|목소리|아나운서|더빙|audiobook|narrat*|voicemail|dictat*|mp3|wav|m4a|subtitle|recording|aloud|out loud|speech|voice',
    ],
    [3, 'listen|spoken|speak the|speak it'],
    [3, 'read + to me|out'],
    [2, 'speak*'],
    [1.5, '읽어줘|읽어줄|읽어 줘|소리|listen|episode'],
    [2, '읽어|소리|read|say + 문장|글|소리|음성|목소리|paragraph|sentence|answer|aloud'],
  ],
  vision: [
    [3.5, PICTURE],
    [
      1.5,
      `${PICTURE} + 뭐가|보여|설명|묘사|몇 명|세어|어디|무슨|종류|비교|해석|이상|어울|다른지|describe|what|how many|look|see|compare|color|colour|who|caption|which|is|are|identify|show`,
    ],
    [1, 'look at|layout|보이는'],
  ],
  code: [
    [
      4,
      '파이썬|자바스크립트|타입스크립트|자바|코틀린|리액트|러스트|정규 ?식|정규 표현식|python|javascript|typescript|java|kotlin|react|rust|golang|c\\+\\+|c#|ruby|php|sql|css|html|bash|regex|regular expression|node\\.js|vue|spring boot|docker*',
    ],
    [
      4,
      '코드|코딩|<함수|버그|디버그|디버깅|리팩터|리팩토링|컴파일|알고리즘|널 포인터|반복문|재귀|단위 테스트|code|coding|bug|debug*|refactor*|compil*|algorithm|unit test|segmentation fault|stack trace|null pointer|async|syntax error|[a-z]+error|linked list|dockerfile|도커|npm|pip|git|깃 |깃허브|커밋|commit|merge conflict|crawler|크롤링|크롤러|backend|frontend|백엔드|프론트엔드|pytest|stack overflow|is not a function|binary (?:search )?tree|recursi*|codebase',
    ],
    [3, '구현해|implement*|function|스크립트|script|컴포넌트|component|```'],
    [
      2,
      '배열|변수|클래스|쿼리|에러|예외|프로그램|api|array|variable|class|query|exception|loop|program|snippet|command line|터미널|쉘|명령어|라이브러리|프레임워크|패키지|library|framework|endpoint|null|undefined|빌드|스택|서버|index on|앱을 만',
    ],
    [1, '오류|error|테스트'],
    [2, 'in go|in c|in java|in swift|c program'],
  ],
  evaluation: [
    [5, '벤치마크|benchmark*|(?<!비)평가|evaluat*|채점|bleu|rouge|perplexity|precision|recall|정확도|accuracy|<f1'],
    [
      4,
      '환각|hallucinat*|make stuff up|making things up|win rate|a/b test|점수 매|점수를 매|rubric|루브릭|metric|evals?|grounded|지표|faithful*',
    ],
    [
      3,
      `점수|성능|품질|정확|score|rate|grade|assess*|quality|performance|measure|how good|how often|relevance|나아졌|사실에 가까|재봐|측정|매겨 + ${JUDGED}|품질|bot`,
    ],
    [2, '성능|품질|점수|measure|score|grade|assess*|정확한지|측정|더 나은'],
    [3, `더 나은|더 좋은|나은지|compare|비교|better + 모델|프롬프트|model|prompt`],
  ],
  kg: [
    [6, '지식 그래프|knowledge graph|온톨로지|ontolog*|neo4j|cypher|그래프 ?db|graph database'],
    [4, '관계도|관계망|노드|엣지|개체|엔티티|entity|entities|node|edge|triple|트리플|hop|degrees of separation'],
    [
      2,
      '관계|relation|relationship|related|relat*|connects|연결된|연결 경로|connected|linked|graph|그래프|shortest path|최단 경로|subsidiar*|family tree|계보|그래프 디비',
    ],
    [
      3,
      '관계|얽혀|연결|이어|엮|계보|relat*|tie|ties|connect*|link*|path|그래프|graph + 인물|조직|회사|기업|사람|임원|저자|사이|어떤|추출|person|people|compan*|organi[sz]ation|between|whom|each other|author|extract|supplier|network',
    ],
  ],
  multi_agent: [
    [
      6,
      '멀티 에이전트|다중 에이전트|여러 에이전트|에이전트들|에이전트 여러|multi agent|(?:several|two|three|four|multiple|many|different) agents|team of agents|group of agents|another agent|에이전트끼리|one agent + another|agents|에이전트|agent',
    ],
    [
      4,
      '토론|논쟁|토의|찬반|협업|분업|합의|패널|debate|panel|consensus|both sides|back and forth|collaborat*|persona|red team|blue team|devil.?s advocate|말싸움|논박|회의하듯|토론하듯|번갈아|셋이|둘이서|모여|상의|협상|hash it out|reconcile|reviewers',
    ],
    [3, `${PARTY} + ${SEVERAL}`],
    [4, '(?:한|두|세) 명은|one (?:agent|person|bot|expert) + (?:다른|한|두|세) 명은|another|the other'],
    [4, 'bot|agent + and an? [a-z]+ (?:bot|agent)'],
    [2, '의논|논의|반박|discuss*|argue|critici[sz]*|사회자|찬성|반대|나눠 맡|전문가|specialist'],
    [2, '팀으로|팀을|역할을 나|같이|함께|together|perspective'],
    [0.5, '<팀|team'],
  ],
  agent: [
    [5, '에이전트|agent|autonom*|자율적|자동화|자동으로|automat*'],
    [
      3,
      '알아서|스스로|끝까지|단계별로|여러 단계|단계로 나|end to end|on your own|by yourself|yourself|whole task|carry out|subtask|tools you need|right tool|whatever tool|one by one|without asking|from start to finish|take care of|done|나 대신|끝내줘|끝날 때까지|끝낼 때까지|주도해|맡아서|every step|whole thing|the whole|do it all|on my behalf|babysit|hands off|혼자 다|될 때까지|by itself|every night|돌려놔|in one go|get it done|handle (?:my|this|it|everything|the whole)',
    ],
    [2, '도구|tool|실행해|수행|맡겨|맡길|execut*|workflow|complete|step|task|until|하나씩|순서'],
    [1, '처리|진행해|해결해|계획|까지 해|plan|goal|목표|작업|solve*|research'],
  ],
  web_search: [
    [
      6,
      '인터넷|<웹에|<웹 |웹 검색|구글링|구글에서 검색|구글에 검색|구글 검색|on the web|the web|web search|internet|google the|google it|google for|google (?:who|what|how|when)|online',
    ],
    [
      4,
      '뉴스|속보|날씨|비 와|비 오|눈 와|눈 오|미세먼지|대선|총선|여론조사|금리|interest rate|premier league|poll|환율|주가|시세|news|headline|weather|forecast|exchange rate|stock price|stock market|bitcoin|비트코인|금값|유가|집값|항공권|비행기표|로또|태풍|지진|exchange rates|near me|근처|box office|lottery|standings|look up',
    ],
    [
      2,
      '소식|최신|검색해|latest|breaking|경기 결과|선거|election|announced|released|발표|출시|개봉|who won|opening hours|영업시간|맛집|후기|reviews|flights?|cheapest|최저가|순위|우승|골 넣|스코어|드라마|넷플릭스|유행|인기|핫한|raised|rain|snow|league|release date|dropped|drop a|launch*|trending|상영|사건|대통령|ticket',
    ],
    [0.5, NOW],
    [2, `${NOW} + ${NEWS_QUESTION}`],
    [1, '찾아봐|알아봐|검색|search|가격|price|cost|얼마'],
  ],
  rag: [
    [
      6,
      '지식 베이스|knowledge base|사내 문서|사내 위키|사내 매뉴얼|내부 문서|내부 위키|internal (?:doc|wiki|document)',
    ],
    [
      4,
      '사규|handbook|(?:i|we) (?:shared|gave you|sent you|uploaded|attached)|(?:공유한|준|보낸|드린) (?:자료|파일|문서|보고서|계약서)|업로드한|올린 파일|첨부한 자료|첨부한 문서|uploaded|attached (?:file|document|report|pdf|paper)',
    ],
    [2, DOCUMENT],
    [1, '자료|파일|노트|file|notes|docs|article|첨부|올린|attached|요약|summar*'],
    [2, `${MATERIAL} + ${ASK_OF_TEXT}`],
    [
      2,
      `업로드|올린|첨부|우리|사내|회사|내부|our|my|these|uploaded|attached|i gave you|i sent you|internal + ${MATERIAL}`,
    ],
    [0.5, '데이터|찾아|data|find|검색|search'],
  ],
  chat: [
    [1, '안녕|고마워|고맙|감사|반가워|hello|hi|hey|good (?:morning|evening|night|afternoon)|thank|thanks|thank you'],
    [
      2,
      '번역|translat*|joke|농담|poem|<시 한|시를 써|recipe|레시피|추천|고민|위로|심심|기분|피곤|how are you|what do you think|name ideas?',
    ],
    [
      1.5,
      '하는 방법|방법이 있|방법이 뭐|어떻게 하면|좋을까|나을까|how do i|how can i|how to|tips|difference between|차이|explain why|왜',
    ],
  ],
};

/** What speaks for each. */
export const keywords: ReadonlyMap<Intent, readonly Clue[]> = new Map(
  Object.entries(sources).map(([intent, of]) => [
    intent as Intent,
    of.map(([weight, expression]) => clue(weight, expression)),
  ]),
);
