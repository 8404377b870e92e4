import { englishFigureTexts, type FigureTexts } from "../../curves/figure-texts.js";
import type { Inline, Language, Line } from "../document.js";
import { en, type MessageKey } from "./en.js";
import { zhTw } from "./zh-tw.js";
import { zhTwFigureTexts } from "./zh-tw-figures.js";

export type { MessageKey } from "./en.js";

type ParametersIn<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParametersIn<Rest>
  : never;
/** The parameters of a message, by the English text. */
export type MessageParameters<K extends MessageKey> = Readonly<Record<ParametersIn<(typeof en)[K]>, Line>>;

/** Says a message in the report's language; what stands in braces is filled in as it is. */
export type Say = <K extends MessageKey>(
  key: K,
  ...parameters: ParametersIn<(typeof en)[K]> extends never ? [] : [MessageParameters<K>]
) => Line;

/** The texts of a language. */
export interface Texts {
  readonly language: Language;
  readonly say: Say;
  readonly figures: FigureTexts;
  /** Between the items of a list. */
  readonly comma: Line;
  /** Between two that belong together. */
  readonly and: Line;
}

const catalogues: Readonly<Record<Language, Readonly<Record<MessageKey, string>>>> = { en, "zh-TW": zhTw };
const figures: Readonly<Record<Language, FigureTexts>> = {
  en: englishFigureTexts,
  "zh-TW": zhTwFigureTexts,
};

/** The texts of a report in `language`. */
export function textsIn(language: Language): Texts {
  const say: Say = (key, ...[parameters]) => fill(key, catalogues[language][key], parameters ?? {});
  return {
    language,
    say,
    figures: figures[language],
    comma: say("separator.comma"),
    and: say("separator.and"),
  };
}

/** A message of every language, for tests of the catalogue. */
export function messagesOf(key: MessageKey): Readonly<Record<Language, string>> {
  return { en: catalogues.en[key], "zh-TW": catalogues["zh-TW"][key] };
}

function fill(key: MessageKey, message: string, parameters: Readonly<Record<string, Line>>): Line {
  return message.split(/(\{\w+\})/).flatMap((part): readonly Inline[] => {
    if (part === "") return [];
    const parameter = /^\{(\w+)\}$/.exec(part)?.[1];
    return parameter === undefined ? [{ kind: "said", key, text: part }] : parameters[parameter];
  });
}
