// Who sits at this window, and which patient is open: kept in the address, so that a reload keeps both.

export interface Person {
  user_id: string;
  name: string;
  role: string;
}
export interface Patient {
  id: string;
  name: string;
  note: string;
}

export const ROLES = ["nurse", "doctor", "technician", "optometrist", "coordinator"] as const;

export const STAFF: readonly Person[] = [
  { user_id: "u-malee", name: "มาลี สุขใจ", role: "nurse" },
  { user_id: "u-anan", name: "Dr. Anan Wattana", role: "doctor" },
  { user_id: "u-kitti", name: "กิตติ พงษ์ไทย", role: "technician" },
  { user_id: "u-sarah", name: "Sarah Miller", role: "optometrist" },
  { user_id: "u-ploy", name: "พลอย ศรีสุข", role: "coordinator" },
];

export const PATIENTS: readonly Patient[] = [
  { id: "P-1001", name: "สมชาย ใจดี", note: "58 years, diabetic" },
  { id: "P-1002", name: "Noi Chaiyasit", note: "9 years, school screening" },
  { id: "P-1003", name: "วราภรณ์ มีสุข", note: "41 years, blurred vision" },
  { id: "P-1004", name: "James Porter", note: "67 years, glaucoma follow-up" },
];

export interface Place {
  me: Person;
  patient: string;
}

/** The window's person and patient, or null when the address does not name both. */
export function readPlace(search: string): Place | null {
  const query = new URLSearchParams(search);
  const user = query.get("user_id")?.trim();
  const patient = query.get("patient")?.trim();
  if (!user || !patient) return null;
  const preset = STAFF.find((person) => person.user_id === user);
  const name = query.get("name")?.trim() || preset?.name || user;
  const role = query.get("role")?.trim() || preset?.role || "nurse";
  return { me: { user_id: user, name, role }, patient };
}

export function placeQuery({ me, patient }: Place): string {
  return `?${new URLSearchParams({ ...me, patient })}`;
}

export function patientName(id: string): string | undefined {
  return PATIENTS.find((patient) => patient.id === id)?.name;
}

/** One or two letters for a badge; titles such as "Dr." do not count. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word && !word.endsWith("."));
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : undefined];
  return letters.map((word) => [...(word ?? "")][0] ?? "").join("").toUpperCase() || "?";
}

/** A hue that is always the same for one person (FNV-1a over the id). */
export function hue(userId: string): number {
  let hash = 0x811c9dc5;
  for (const char of userId) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  return (hash >>> 8) % 360;
}
