/** Unfinished uploads, remembered in the browser so that choosing the same file again goes on where it stopped. */

export interface FileIdentity {
  name: string;
  size: number;
  lastModified: number;
}

export interface Remembered extends FileIdentity {
  uploadId: string;
  userId: string;
  startedAt: number;
}

export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const KEY = "karyaksham.uploads.v1";
/** The server removes unfinished uploads after some days; what is older here is rubbish. */
const MOST_AGE = 14 * 24 * 3600 * 1000;

/** All remembered uploads of a user; unreadable or old entries are ignored. */
export function remembered(shelf: Shelf, userId: string, now: number): Remembered[] {
  return read(shelf).filter((entry) => entry.userId === userId && now - entry.startedAt < MOST_AGE);
}

/** The upload that this very file belongs to. */
export function findUpload(shelf: Shelf, userId: string, file: FileIdentity, now: number): Remembered | null {
  return remembered(shelf, userId, now).find((entry) => sameFile(entry, file)) ?? null;
}

export function remember(shelf: Shelf, entry: Remembered): void {
  write(shelf, [...read(shelf).filter((other) => other.uploadId !== entry.uploadId), entry]);
}

export function forget(shelf: Shelf, uploadId: string): void {
  write(
    shelf,
    read(shelf).filter((entry) => entry.uploadId !== uploadId),
  );
}

/** Same name, size and time of change: as much as a browser can tell without reading the file. */
export function sameFile(one: FileIdentity, other: FileIdentity): boolean {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}

function read(shelf: Shelf): Remembered[] {
  try {
    const entries: unknown = JSON.parse(shelf.getItem(KEY) ?? "[]");
    return Array.isArray(entries) ? entries.filter(isRemembered) : [];
  } catch {
    return [];
  }
}

function write(shelf: Shelf, entries: Remembered[]): void {
  try {
    shelf.setItem(KEY, JSON.stringify(entries));
  } catch {
    // storage full or forbidden: the upload works, only resuming after a reload does not
  }
}

function isRemembered(entry: unknown): entry is Remembered {
  if (typeof entry !== "object" || entry === null) return false;
  const { uploadId, userId, name, size, lastModified, startedAt } = entry as Record<string, unknown>;
  const texts = [uploadId, userId, name].every((value) => typeof value === "string");
  return texts && [size, lastModified, startedAt].every((value) => typeof value === "number");
}
