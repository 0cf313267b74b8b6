// The vision screening: its fields and its workflow. Which of two writers wins is the form's to say
// (forms/patient.json), which sync-svc reads as well.

import form from "../forms/patient.json";

export type FieldKind =
  | { kind: "text"; placeholder?: string; inputMode?: "decimal" }
  | { kind: "area" }
  | { kind: "choice"; options: readonly string[] }
  | { kind: "yesno" };

export type FieldSpec = FieldKind & { name: string; label: string; hint?: string; rule?: string; wide?: boolean };

const PRESSURE = "a number from 0 to 99, such as 16 or 16.5";

const ACUITY = ["6/6", "6/9", "6/12", "6/18", "6/24", "6/36", "6/60", "CF", "HM", "LP", "NLP"];

export const FIELDS: readonly FieldSpec[] = [
  { name: "acuity_right", label: "Acuity, right (OD)", kind: "choice", options: ACUITY },
  { name: "acuity_left", label: "Acuity, left (OS)", kind: "choice", options: ACUITY },
  { name: "iop_right", label: "Pressure, right", hint: "mmHg", rule: PRESSURE, kind: "text", inputMode: "decimal", placeholder: "10–21" },
  { name: "iop_left", label: "Pressure, left", hint: "mmHg", rule: PRESSURE, kind: "text", inputMode: "decimal", placeholder: "10–21" },
  { name: "colour_vision", label: "Colour vision", hint: "Ishihara", kind: "text", placeholder: "e.g. 14 / 14" },
  { name: "glasses", label: "Wears glasses", kind: "yesno" },
  {
    name: "referral",
    label: "Referral",
    kind: "choice",
    wide: true,
    options: ["None", "Optometry", "Ophthalmology, routine", "Ophthalmology, urgent", "Paediatric ophthalmology"],
  },
  { name: "notes", label: "Notes", kind: "area", wide: true },
];

export const STEPS: readonly string[] = [
  "Registration", "History", "Visual acuity", "Tonometry", "Doctor’s review", "Done",
];

export const stepName = (step: number | null): string =>
  step === null ? "No step yet" : (STEPS[step] ?? `Step ${step + 1}`);

/** What becomes of an update that was made without having seen the newest version. */
export function policyOf(field: string): "last_write" | "merge" | "refuse" {
  const properties: Record<string, object> = form.properties;
  const rules = properties[field] as { "x-confer-policy"?: "merge" | "refuse" } | undefined;
  return rules?.["x-confer-policy"] ?? "last_write";
}

export const fieldLabel = (name: string): string => FIELDS.find((field) => field.name === name)?.label ?? name;
