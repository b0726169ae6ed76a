/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far a run is: phases, their times, what the caller is told. */

#ifndef PAL_DRIVE_PROGRESS_H
#define PAL_DRIVE_PROGRESS_H

#include "pal.h"

typedef struct
{
  PalProgressFunc func;       /* may be NULL */
  gpointer        data;
  PalPhase        phase;
  gint64          start_us, phase_us[PAL_N_PHASES];
  gint            calls, n_calls;   /* of the denoiser, over the whole run */
  gdouble         fraction;   /* never falls */
} PalTracker;

void pal_tracker_start (PalTracker *tracker);
void pal_tracker_phase (PalTracker *tracker, PalPhase phase);
void pal_tracker_call  (PalTracker *tracker, const PalImage *preview);   /* one more is done */
void pal_tracker_end   (PalTracker *tracker);

#endif
