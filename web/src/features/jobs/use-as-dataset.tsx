import { Link, useNavigate } from "@tanstack/react-router";
import { useClient } from "urql";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { CreateDatasetsFromJobDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { useAction } from "@/lib/use-action";
import { m } from "./messages";

/** As many files of a result as the API makes data sets of at a time. */
export const MOST_AT_ONCE = 100;

interface Props {
  jobId: string;
  /** The file; null is all of them. */
  file: string | null;
  /** Whether it is the whole result: then one goes on with the data set. */
  only: boolean;
  made: () => void;
}

/** Makes a data set of a file of the result, where it lies: nothing is copied. */
export function UseAsDataset({ jobId, file, only, made }: Props) {
  const client = useClient();
  const navigate = useNavigate();
  const action = useAction();
  const use = () =>
    action.run(async () => {
      const input = file === null ? { jobId } : { jobId, files: [file] };
      const { datasets } = await act(client, CreateDatasetsFromJobDocument, { input });
      const [dataset] = datasets;
      if (only && dataset) await navigate({ to: "/datasets/$id", params: { id: dataset.id } });
      else made();
    });
  return (
    <>
      <Button
        small
        busy={action.busy}
        aria-label={file === null || only ? undefined : m.fileAsDataSet({ name: file })}
        onClick={use}
      >
        {file === null ? m.useAllAsDataSets : m.useAsDataSet}
      </Button>
      {action.refusal && (
        <p role="alert" className="w-full text-sm text-bad">
          <Words text={action.refusal.message} />
        </p>
      )}
    </>
  );
}

/** The data set that a file of the result is by now. */
export function MadeDataset({ dataset }: { dataset: { id: string; name: string } }) {
  return (
    <Link to="/datasets/$id" params={{ id: dataset.id }} className="text-sm text-accent underline">
      {m.dataSetIs({ name: <span translate="no">{dataset.name}</span> })}
    </Link>
  );
}
