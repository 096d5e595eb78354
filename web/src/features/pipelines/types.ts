import type { DatasetChoiceFragment } from "@/gql/graphql";

/** A data set that a pipeline may read. */
export type Choice = DatasetChoiceFragment;
