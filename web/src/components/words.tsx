import { locale } from "@/lib/i18n";

/** A message of the server, which speaks English; `names between backticks` stand out as code. */
export function Words({ text }: { text: string }) {
  return locale.get().language ? <span lang="en">{marked(text)}</span> : marked(text);
}

function marked(text: string) {
  const parts = text.split("`");
  // an odd backtick is no pair: leave the text alone
  if (parts.length % 2 === 0) return text;
  return parts.map((part, index) =>
    index % 2 === 1 ? (
      // a block of its own: where a message begins with a value, the capital letter of the sentence must not change it
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of a text never move
      <code key={index} className="inline-block max-w-full rounded bg-raised px-1 font-mono text-[0.9em] break-words">
        {part}
      </code>
    ) : (
      part
    ),
  );
}
