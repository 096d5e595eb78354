import { createContext, useContext } from "react";
import type { UploadManager } from "./manager";

export const UploadContext = createContext<UploadManager | null>(null);

export function useUploads(): UploadManager {
  const manager = useContext(UploadContext);
  if (!manager) throw new Error("useUploads needs an UploadContext");
  return manager;
}
