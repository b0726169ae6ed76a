/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the worker thread: libgimp and GTK stay in the main thread, the engine is
 * called in the worker alone, and progress crosses over as one idle at a time. */

#include "job.h"

struct _PalJob
{
  gchar     *selector, *path;
  PalDevice *device;
  PalModel  *model;
};

/* One run; lives on the main thread's stack until the worker has ended. */
typedef struct
{
  PalJob           *job;
  const gchar      *device, *model;
  const PalRequest *request;
  PalReport        *report;

  PalProgressFunc   progress;
  gpointer          data;

  GMutex            lock;
  PalProgress       latest;     /* under the lock */
  PalImage         *preview;    /* under the lock; the latest's, until it is told */
  guint             idle;       /* under the lock; source that will tell it */

  gboolean          done;
  PalImage         *image;
  GError           *error;
} Run;

PalJob *
pal_job_new (void)
{
  return g_new0 (PalJob, 1);
}

static void
close_model (PalJob *job)
{
  g_clear_pointer (&job->model, pal_model_unref);
  g_clear_pointer (&job->path, g_free);
}

static void
close_device (PalJob *job)
{
  close_model (job);
  g_clear_pointer (&job->device, pal_device_unref);
  g_clear_pointer (&job->selector, g_free);
}

void
pal_job_free (PalJob *job)
{
  if (! job)
    return;

  close_device (job);
  g_free (job);
}

/* Worker thread */

static gboolean
tell_progress (gpointer user_data)
{
  Run                 *run     = user_data;
  g_autoptr (PalImage) preview = NULL;
  PalProgress          latest;

  g_mutex_lock (&run->lock);
  latest    = run->latest;
  preview   = g_steal_pointer (&run->preview);
  run->idle = 0;
  g_mutex_unlock (&run->lock);

  latest.preview = preview;

  run->progress (&latest, run->data);
  return G_SOURCE_REMOVE;
}

static void
note_progress (const PalProgress *progress, gpointer user_data)
{
  Run *run = user_data;

  if (! run->progress)
    return;

  g_mutex_lock (&run->lock);
  run->latest = *progress;
  if (progress->preview)
    {
      g_clear_pointer (&run->preview, pal_image_free);
      run->preview = pal_image_copy (progress->preview);
    }
  if (! run->idle)
    run->idle = g_idle_add_full (G_PRIORITY_DEFAULT, tell_progress, run, NULL);
  g_mutex_unlock (&run->lock);
}

static gboolean
open_model (Run *run, GCancellable *cancellable, GError **error)
{
  PalJob *job = run->job;

  if (! job->device || g_strcmp0 (job->selector, run->device) != 0)
    {
      close_device (job);
      job->device = pal_device_open (run->device, error);
      if (! job->device)
        return FALSE;
      job->selector = g_strdup (run->device);
    }

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  if (! job->model || g_strcmp0 (job->path, run->model) != 0)
    {
      close_model (job);
      job->model = pal_model_open (job->device, run->model, error);
      if (! job->model)
        return FALSE;
      job->path = g_strdup (run->model);
    }

  return ! g_cancellable_set_error_if_cancelled (cancellable, error);
}

static void
work (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Run    *run   = task_data;
  GError *error = NULL;

  note_progress (&(PalProgress) { .phase = PAL_PHASE_LOAD }, run);

  if (open_model (run, cancellable, &error))
    run->image = pal_generate (run->job->model, run->request, note_progress, run, run->report,
                               cancellable, &error);

  /* Not returned through the task, which would drop a finished picture, or leave
   * its owner in doubt, when the cancel comes between the last step and here. */
  run->error = error;
  g_task_return_boolean (task, TRUE);
}

/* Main thread */

static void
finished (GObject *source, GAsyncResult *result, gpointer data)
{
  Run *run = data;

  run->done = TRUE;
}

PalImage *
pal_job_run (PalJob *job, const gchar *device, const gchar *model, const PalRequest *request,
             PalProgressFunc progress, gpointer data, PalReport *report,
             GCancellable *cancellable, GError **error)
{
  g_autoptr (GTask) task = NULL;
  Run               run  = { .job = job, .device = device ? device : "", .model = model,
                             .request = request, .report = report, .progress = progress,
                             .data = data };

  g_mutex_init (&run.lock);
  task = g_task_new (NULL, cancellable, finished, &run);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, &run, NULL);
  g_task_run_in_thread (task, work);

  while (! run.done)
    g_main_context_iteration (NULL, TRUE);

  if (run.idle)
    g_source_remove (run.idle);
  g_clear_pointer (&run.preview, pal_image_free);
  g_mutex_clear (&run.lock);

  /* Whatever else went wrong: the signal that stops a run breaks a kernel's compilation, too,
   * whose compiler removes its files then. */
  if (g_cancellable_is_cancelled (cancellable))
    {
      g_clear_pointer (&run.image, pal_image_free);
      g_clear_error (&run.error);
      g_cancellable_set_error_if_cancelled (cancellable, &run.error);
    }
  if (run.error)
    g_propagate_error (error, run.error);

  return run.image;
}
