/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far a run is: phases, their times, what the caller is told. */

#include "drive/progress.h"

/* Share of the run that lies before a phase; denoising fills what is between. */
static const gdouble starts[PAL_N_PHASES] = {
  [PAL_PHASE_LOAD]    = 0.0,
  [PAL_PHASE_TEXT]    = 0.01,
  [PAL_PHASE_ENCODE]  = 0.04,
  [PAL_PHASE_DENOISE] = 0.1,
  [PAL_PHASE_DECODE]  = 0.9
};

void
pal_report_clear (PalReport *report)
{
  g_clear_pointer (&report->note, g_free);
}

static void
tell (PalTracker     *tracker,
      gdouble         fraction,
      const PalImage *preview)
{
  tracker->fraction = CLAMP (fraction, tracker->fraction, 1.0);

  if (tracker->func)
    tracker->func (&(PalProgress) {
                     .phase    = tracker->phase,
                     .step     = tracker->calls,
                     .n_steps  = tracker->n_calls,
                     .fraction = tracker->fraction,
                     .preview  = preview
                   }, tracker->data);
}

static void
close_phase (PalTracker *tracker)
{
  gint64 now = g_get_monotonic_time ();

  tracker->phase_us[tracker->phase] += now - tracker->start_us;
  tracker->start_us                  = now;
}

void
pal_tracker_start (PalTracker *tracker)
{
  tracker->phase    = PAL_PHASE_LOAD;
  tracker->start_us = g_get_monotonic_time ();
  tell (tracker, 0.0, NULL);
}

void
pal_tracker_phase (PalTracker *tracker,
                   PalPhase    phase)
{
  close_phase (tracker);
  tracker->phase = phase;
  tell (tracker, starts[phase], NULL);
}

void
pal_tracker_call (PalTracker     *tracker,
                  const PalImage *preview)
{
  gdouble first = starts[PAL_PHASE_DENOISE];
  gdouble share = starts[PAL_PHASE_DECODE] - first;

  tracker->calls++;
  tell (tracker, first + share * tracker->calls / tracker->n_calls, preview);
}

void
pal_tracker_end (PalTracker *tracker)
{
  close_phase (tracker);
  tell (tracker, 1.0, NULL);
}
