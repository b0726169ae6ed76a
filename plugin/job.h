/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine in a worker thread. */

#ifndef PAL_PLUGIN_JOB_H
#define PAL_PLUGIN_JOB_H

#include <gio/gio.h>

#include "pal.h"

G_BEGIN_DECLS

/* Keeps the device and the model open from one run to the next. */
typedef struct _PalJob PalJob;

PalJob   *pal_job_new  (void);
void      pal_job_free (PalJob *job);

/* Runs a request in a worker thread while the main context goes on, and returns
 * when it is done. progress is called in the main thread. model is a folder;
 * device a selector. Returns the picture, or NULL with an error;
 * G_IO_ERROR_CANCELLED within one step after cancelling. */
PalImage *pal_job_run  (PalJob           *job,
                        const gchar      *device,
                        const gchar      *model,
                        const PalRequest *request,
                        PalProgressFunc   progress,
                        gpointer          data,
                        PalReport        *report,
                        GCancellable     *cancellable,
                        GError          **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalJob, pal_job_free)

G_END_DECLS

#endif
