import type { DatasetChoicesQuery } from "@/gql/graphql";

/** A data set that a pipeline may read. */
export type Choice = DatasetChoicesQuery["datasets"]["nodes"][number];
