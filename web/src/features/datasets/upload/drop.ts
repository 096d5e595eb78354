import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { useUploads } from "./context";

/** All files of a drop, those in folders included. */
export async function filesOf(transfer: DataTransfer): Promise<File[]> {
  // entries must be taken before the first await: afterwards the browser has emptied the list
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(walk))).flat();
}

/** What a folder shows: nobody means to upload the notes that systems leave in it. */
export const isSeen = ({ name }: { name: string }): boolean => !name.startsWith(".");

async function walk(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return [await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const inside: FileSystemEntry[] = [];
  // a reader gives a folder in batches, and an empty one at the end
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (batch.length === 0) break;
    inside.push(...batch);
  }
  return (await Promise.all(inside.filter(isSeen).map(walk))).flat();
}

/** Files that are dropped anywhere are uploaded; without this the browser would open them and leave the app. */
export function usePageDrop(): void {
  const uploads = useUploads();
  const navigate = useNavigate();
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const over = (event: DragEvent) => hasFiles(event) && event.preventDefault();
    const drop = async (event: DragEvent) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      uploads.add(await filesOf(event.dataTransfer));
      await navigate({ to: "/datasets" });
    };
    window.addEventListener("dragover", over);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragover", over);
      window.removeEventListener("drop", drop);
    };
  }, [uploads, navigate]);
}
