import { Words } from "@/components/words";
import type { PipelineProblem } from "./spec";

/** What the engine says is wrong, at the place where it is. */
export function Problems({ problems }: { problems: readonly PipelineProblem[] }) {
  if (problems.length === 0) return null;
  return (
    <div role="alert" className="rounded-lg border-l-4 border-bad bg-bad-tint px-3 py-2">
      <ul className="grid gap-1">
        {problems.map((problem) => (
          <li
            key={`${problem.path} ${problem.message}`}
            className="break-words first-letter:uppercase"
            data-problem={problem.code}
          >
            <Words text={problem.message} />
            {problem.hint && (
              <span>
                {" – "}
                <Words text={problem.hint} />
              </span>
            )}
            {problem.path && (
              <code translate="no" className="ml-2 text-sm">
                {problem.path}
              </code>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
