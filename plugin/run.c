/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the way from a procedure's settings to a request, through the worker, to
 * layers in the image. */

#include "run.h"

#include <glib/gi18n-lib.h>

#include "arguments.h"
#include "job.h"
#include "layer-io.h"
#include "models.h"

#define NAME_LENGTH 60

struct _PalRun
{
  GimpImage     *image;
  GimpLayer     *layer;
  PalIntent      intent;
  PalJob        *job;

  GPtrArray     *layers;
  gint           seed;
  gchar         *note;
  gdouble        seconds;

  /* While running */
  PalRunProgress progress;
  gpointer       data;
  gint           variant, n_variants;
};

PalRun *
pal_run_new (GimpImage *image, GimpLayer *layer, PalIntent intent)
{
  PalRun *run = g_new0 (PalRun, 1);

  run->image  = image;
  run->layer  = layer;
  run->intent = intent;
  run->job    = pal_job_new ();
  run->seed   = -1;

  return run;
}

void
pal_run_free (PalRun *run)
{
  if (! run)
    return;

  g_clear_pointer (&run->job, pal_job_free);
  g_clear_pointer (&run->layers, g_ptr_array_unref);
  g_free (run->note);
  g_free (run);
}

static void
forward_progress (const PalProgress *progress, gpointer data)
{
  PalRun *run = data;

  if (run->progress)
    run->progress (progress, run->variant, run->n_variants,
                   (run->variant + progress->fraction) / run->n_variants, run->data);
}

/* "a lake at dawn (seed 7)", on one line. */
static gchar *
layer_name (const gchar *prompt, gint seed)
{
  g_autofree gchar *line = g_strdup (prompt);

  g_strstrip (g_strdelimit (line, "\r\n\t", ' '));
  if (! *line)
    return g_strdup_printf (_("Palimpsest (seed %d)"), seed);

  if (g_utf8_strlen (line, -1) > NAME_LENGTH)
    {
      g_autofree gchar *head = g_utf8_substring (line, 0, NAME_LENGTH - 1);

      g_free (line);
      line = g_strconcat (g_strchomp (head), "…", NULL);
    }

  /* TRANSLATORS: name of a new layer: the prompt and the random seed. */
  return g_strdup_printf (_("%s (seed %d)"), line, seed);
}

static PalRequest
make_request (PalRun *run, const PalSettings *settings, const PalCapture *capture)
{
  PalRequest request = { 0 };

  request.intent          = run->intent;
  request.prompt          = settings->prompt ? settings->prompt : "";
  request.negative_prompt = settings->negative_prompt;
  request.source          = capture->source;
  request.mask            = capture->mask;
  request.width           = capture->rect.width;
  request.height          = capture->rect.height;
  request.strength        = settings->strength;
  request.steps           = settings->steps;
  request.guidance        = settings->guidance;
  request.eta             = settings->eta;
  request.s_noise         = settings->s_noise;
  request.clip_skip       = settings->clip_skip;
  request.sampler         = settings->sampler;
  request.schedule        = settings->schedule;
  request.keep_colours    = ! settings->match_colors;
  request.random          = settings->random;

  return request;
}

/* Seeds go round at the end of their range. */
static gint
variant_seed (gint first, gint variant)
{
  return (gint) (((gint64) first + variant) % ((gint64) G_MAXINT + 1));
}

static PalImage *
compute_one (PalRun *run, const PalSettings *settings, const gchar *model,
             const PalCapture *capture, gint seed, GCancellable *cancellable, GError **error)
{
  PalRequest         request = make_request (run, settings, capture);
  g_auto (PalReport) report  = { 0 };
  PalImage          *image;

  request.seed = (guint64) seed;
  image = pal_job_run (run->job, settings->device, model, &request, forward_progress, run,
                       &report, cancellable, error);
  if (image && report.note)
    g_set_str (&run->note, report.note);

  return image;
}

/* Everything between the last picture and the finished layers happens at once, so
 * that a plug-in stopped or killed while computing leaves nothing in GIMP. */
static GPtrArray *
make_layers (const PalSettings *settings, const PalCapture *capture, GPtrArray *images,
             gint first, GError **error)
{
  g_autoptr (GPtrArray) layers = g_ptr_array_new ();

  for (guint i = 0; i < images->len; i++)
    {
      g_autofree gchar *name  = layer_name (settings->prompt ? settings->prompt : "",
                                            variant_seed (first, (gint) i));
      GimpLayer        *layer = pal_layer_from_image (capture, images->pdata[i], name, error);

      if (! layer)
        {
          for (guint j = 0; j < layers->len; j++)
            gimp_item_delete (layers->pdata[j]);
          return NULL;
        }
      g_ptr_array_add (layers, layer);
    }

  return g_steal_pointer (&layers);
}

static PalCapture *
capture_layer (PalRun *run, const PalSettings *settings, const gchar *model, GError **error)
{
  g_autoptr (PalModelInfo) info     = pal_model_inspect (model, error);
  gdouble                  strength = settings->strength;

  if (! info)
    return NULL;

  if (strength <= 0)
    strength = run->intent == PAL_RESTYLE ? info->restyle_strength : info->fill_strength;

  return pal_capture_new (run->image, run->layer, run->intent, settings->region, strength, info,
                          error);
}

/* The newest result goes on top of those that this dialog made before. */
static GimpLayer *
newest_layer (PalRun *run)
{
  GimpLayer *newest = run->layers ? run->layers->pdata[run->layers->len - 1] : NULL;

  return newest && gimp_item_is_valid (GIMP_ITEM (newest)) ? newest : run->layer;
}

static gboolean
compute_all (PalRun *run, const PalSettings *settings, GCancellable *cancellable, GError **error)
{
  g_autoptr (PalCapture) capture = NULL;
  g_autoptr (GPtrArray)  images  = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_image_free);
  g_autoptr (GPtrArray)  layers  = NULL;
  g_autofree gchar      *model   = pal_models_resolve (settings->model, error);
  gint                   first   = settings->seed;

  if (! model || ! (capture = capture_layer (run, settings, model, error)))
    return FALSE;

  if (first < 0)
    first = g_random_int_range (0, G_MAXINT - settings->count);

  run->n_variants = settings->count;
  for (run->variant = 0; run->variant < run->n_variants; run->variant++)
    {
      PalImage *image = compute_one (run, settings, model, capture,
                                     variant_seed (first, run->variant), cancellable, error);

      if (! image)
        return FALSE;
      g_ptr_array_add (images, image);
    }

  layers = make_layers (settings, capture, images, first, error);
  if (! layers || ! pal_layers_insert (run->image, newest_layer (run), layers, error))
    return FALSE;

  g_clear_pointer (&run->layers, g_ptr_array_unref);
  run->layers = g_steal_pointer (&layers);
  run->seed   = first;
  return TRUE;
}

gboolean
pal_run_once (PalRun *run, GimpProcedureConfig *config, PalRunProgress progress, gpointer data,
              GCancellable *cancellable, GError **error)
{
  g_auto (PalSettings) settings = { 0 };
  GimpDrawable        *drawables[] = { GIMP_DRAWABLE (run->layer), NULL };
  gint64               start = g_get_monotonic_time ();
  gboolean             ok;

  /* Again: the user may have changed the image since the dialog opened. */
  if (! pal_layer_check (run->image, drawables, error))
    return FALSE;

  g_clear_pointer (&run->note, g_free);
  run->progress = progress;
  run->data     = data;
  pal_settings_read (&settings, run->intent, config);
  ok = compute_all (run, &settings, cancellable, error);
  run->progress = NULL;
  run->seconds  = (gdouble) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;

  return ok;
}

GPtrArray *
pal_run_layers (PalRun *run)
{
  return run->layers;
}

gint
pal_run_seed (PalRun *run)
{
  return run->seed;
}

const gchar *
pal_run_note (PalRun *run)
{
  return run->note;
}

gdouble
pal_run_seconds (PalRun *run)
{
  return run->seconds;
}
