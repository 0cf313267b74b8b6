// The portal's page.

import { useEffect } from "preact/hooks";
import { patientName, PATIENTS, placeQuery } from "../identity";
import type { Portal } from "../portal";
import { ActivityPanel } from "./activity";
import { Avatar } from "./avatar";
import { Bell } from "./bell";
import { Collaboration } from "./collaboration";
import { Conflicts } from "./conflict";
import { RecordClosed, SessionEnd } from "./ended";
import { DemandDialog } from "./demand";
import { Form } from "./form";
import { HistoryDialog } from "./history";
import { TakeOver } from "./lock";
import { PeopleDialog } from "./people";
import { QueuePanel } from "./queue";
import { Logo } from "./start";
import { StepsPanel } from "./steps";
import { TicketDialog } from "./ticket";
import { Toasts } from "./toasts";
import { WatchLink } from "./watch";

export function App({ portal }: { portal: Portal }) {
  const { me } = portal;
  const patient = portal.patient.value;
  useEffect(() => {
    document.title = `${patientName(patient) ?? patient} · Confer`;
    history.replaceState(null, "", placeQuery({ me, patient }));
  }, [patient]);
  return (
    <>
      <header class="top">
        <a class="brand" href="?" aria-label="Confer: back to the start page"><Logo /><span>Confer</span></a>
        <div class="top-right">
          <WatchLink />
          <Bell portal={portal} />
          <div class="me" data-testid="me">
            <Avatar userId={me.user_id} name={me.name} />
            <span><strong>{me.name}</strong><small>{me.role}</small></span>
          </div>
        </div>
      </header>
      <main class="page">
        <PatientLine portal={portal} />
        <RecordClosed portal={portal} />
        <Collaboration portal={portal} />
        <StepsPanel portal={portal} />
        <div class="columns">
          <Form portal={portal} />
          <div class="side">
            <QueuePanel portal={portal} />
            <ActivityPanel portal={portal} />
          </div>
        </div>
      </main>
      <PeopleDialog portal={portal} />
      <HistoryDialog portal={portal} />
      <TicketDialog portal={portal} />
      <TakeOver portal={portal} />
      <Conflicts portal={portal} />
      <DemandDialog portal={portal} />
      <SessionEnd portal={portal} />
      <Toasts />
    </>
  );
}

function PatientLine({ portal }: { portal: Portal }) {
  const id = portal.patient.value;
  const known = PATIENTS.find((patient) => patient.id === id);
  const row = portal.queue.rows.value.find((candidate) => candidate.patient_id === id);
  return (
    <div class="patient" data-testid="patient">
      <h1>{known?.name ?? id}</h1>
      <p>
        {known && <span class="tag">{id}</span>}
        {known && <span>{known.note}</span>}
        {row && <span class="in-queue">{row.status === "waiting" ? `No. ${row.queue_position} in the queue` : `In the queue: ${row.status}`}</span>}
      </p>
    </div>
  );
}
