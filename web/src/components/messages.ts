import { messages } from "@/lib/i18n";

export const m = messages("components", {
  cancelled: "Cancelled",
  cancelling: "Cancelling",
  copied: "Copied",
  copy: "Copy",
  couldNotBeLoaded: "This could not be loaded.",
  delete: "Delete",
  failed: "Failed",
  loading: "Loading",
  pause: "Pause",
  running: "Running",
  selectAndCopyByHand: "Select and copy by hand",
  showMore: "Show more",
  succeeded: "Succeeded",
  tryAgain: "Try again",
  underWay: "under way",
  waiting: "Waiting",
});
