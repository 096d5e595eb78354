/** A message in which `names between backticks` stand out as code. */
export function Words({ text }: { text: string }) {
  const parts = text.split("`");
  // an odd backtick is no pair: leave the text alone
  if (parts.length % 2 === 0) return text;
  return parts.map((part, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of a text never move
      <code key={index} className="rounded bg-raised px-1 font-mono text-[0.9em]">
        {part}
      </code>
    ) : (
      part
    ),
  );
}
