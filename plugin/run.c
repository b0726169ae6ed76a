/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Owns the way from a procedure's settings to requests, through the worker, to
 * results, and from those to layers in the image. */

#include "run.h"

#include <glib/gi18n-lib.h>

#include "arguments.h"
#include "job.h"
#include "layer-write.h"
#include "models.h"
#include "prefill.h"
#include "scene.h"

#define NAME_LENGTH 60

struct _PalRun
{
  GimpImage          *image;
  GimpLayer          *layer;
  PalJob             *job;

  GPtrArray          *layers;
  gint                seed;
  gchar              *note;

  /* While running */
  const PalRunClient *client;
  gint                variant, n_variants;
};

/* What all variants of a run share. */
typedef struct
{
  PalSettings   settings;
  gchar        *model;
  PalModelInfo *info;
  PalCapture   *capture;
} Plan;

static void
plan_clear (Plan *plan)
{
  pal_settings_clear (&plan->settings);
  g_clear_pointer (&plan->model, g_free);
  g_clear_pointer (&plan->info, pal_model_info_free);
  g_clear_pointer (&plan->capture, pal_capture_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

PalRun *
pal_run_new (GimpImage *image, GimpLayer *layer)
{
  PalRun *run = g_new0 (PalRun, 1);

  run->image = image;
  run->layer = layer;
  run->job   = pal_job_new ();
  run->seed  = -1;

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

/* Looking */

static void
read_settings (PalSettings *settings, GimpProcedureConfig *config, const PalModelInfo *info)
{
  pal_settings_read (settings, config);
  if (settings->strength <= 0)
    settings->strength = pal_model_info_strength (info,
                                                  pal_purpose_info (settings->purpose)->intent);
}

/* The user may have changed the image since the dialog opened. */
static gboolean
check_layer (PalRun *run, GError **error)
{
  GimpDrawable *drawables[] = { GIMP_DRAWABLE (run->layer), NULL };

  return pal_layer_check (run->image, drawables, error) != NULL;
}

PalScene *
pal_run_look (PalRun *run, GimpProcedureConfig *config, const PalModelInfo *info, GError **error)
{
  g_auto (PalSettings) settings = { 0 };

  if (! check_layer (run, error))
    return NULL;

  read_settings (&settings, config, info);
  return pal_scene_new (run->image, run->layer, &settings, info, error);
}

/* Computing */

static void
forward_progress (const PalProgress *progress, gpointer data)
{
  PalRun *run = data;

  if (run->client->progress)
    run->client->progress (progress, run->variant, run->n_variants,
                           (run->variant + progress->fraction) / run->n_variants,
                           run->client->data);
}

static PalRequest
make_request (PalRun *run, const Plan *plan, const PalImage *source, gint seed)
{
  const PalSettings *settings = &plan->settings;
  PalRequest         request  = { 0 };

  request.intent          = pal_purpose_info (settings->purpose)->intent;
  request.prompt          = settings->prompt ? settings->prompt : "";
  request.negative_prompt = settings->negative_prompt;
  request.source          = source;
  request.mask            = source ? plan->capture->mask : NULL;
  request.width           = plan->capture->rect.width;
  request.height          = plan->capture->rect.height;
  request.strength        = settings->strength;
  request.steps           = settings->steps;
  request.guidance        = settings->guidance;
  request.eta             = settings->eta;
  request.sampler         = settings->sampler;
  request.s_noise         = settings->s_noise;
  request.clip_skip       = settings->clip_skip;
  request.schedule        = settings->schedule;
  request.keep_colours    = ! settings->match_colors;
  request.random          = settings->random;
  request.seed            = (guint64) seed;
  request.preview         = run->client->preview;

  return request;
}

/* Seeds go round at the end of their range. */
static gint
variant_seed (gint first, gint variant)
{
  return (gint) (((gint64) first + variant) % ((gint64) G_MAXINT + 1));
}

static PalResult *
make_result (const Plan *plan, const PalRequest *request, PalImage *image /* taken */)
{
  PalResult *result = pal_result_new ();

  result->purpose = plan->settings.purpose;
  result->image   = image;
  result->mask    = plan->capture->mask ? pal_image_copy (plan->capture->mask) : NULL;
  result->rect    = plan->capture->rect;
  result->seed    = (gint) request->seed;
  result->prompt  = g_strdup (request->prompt);
  result->recipe  = pal_recipe_format (request, plan->info, image->width, image->height);
  result->data    = pal_capture_ref (plan->capture);
  result->destroy = (GDestroyNotify) pal_capture_unref;

  return result;
}

static PalResult *
compute_one (PalRun *run, const Plan *plan, gint seed, GCancellable *cancellable, GError **error)
{
  g_autoptr (PalImage) source = NULL;
  g_auto (PalReport)   report = { 0 };
  PalRequest           request;
  PalImage            *image;

  if (plan->capture->source)
    {
      source = pal_prefill (plan->capture->source, plan->capture->mask, plan->settings.prefill,
                            (guint32) seed);
      if (! source)
        {
          g_set_error_literal (error, PAL_ERROR, PAL_ERROR_MEMORY,
                               _("There is not enough memory for a copy of the picture."));
          return NULL;
        }
    }

  request = make_request (run, plan, source, seed);
  image   = pal_job_run (run->job, plan->settings.device, plan->model, &request, forward_progress,
                         run, &report, cancellable, error);
  if (! image)
    return NULL;

  if (report.note)
    g_set_str (&run->note, report.note);
  return make_result (plan, &request, image);
}

static gboolean
make_plan (PalRun *run, Plan *plan, GimpProcedureConfig *config, GError **error)
{
  g_autofree gchar *model = NULL;

  if (! check_layer (run, error))
    return FALSE;

  g_object_get (config, "model", &model, NULL);
  plan->model = pal_models_resolve (model, error);
  if (! plan->model || ! (plan->info = pal_model_inspect (plan->model, error)))
    return FALSE;

  read_settings (&plan->settings, config, plan->info);
  plan->capture = pal_capture_new (run->image, run->layer, &plan->settings, plan->info, error);

  return plan->capture != NULL;
}

GPtrArray *
pal_run_compute (PalRun *run, GimpProcedureConfig *config, const PalRunClient *client,
                 GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) results = NULL;
  g_auto (Plan)         plan    = { 0 };
  gint                  first;

  g_clear_pointer (&run->note, g_free);
  if (! make_plan (run, &plan, config, error))
    return NULL;

  first = plan.settings.seed;
  if (first < 0)
    first = g_random_int_range (0, G_MAXINT - plan.settings.count);

  results         = g_ptr_array_new_with_free_func ((GDestroyNotify) pal_result_unref);
  run->client     = client;
  run->n_variants = plan.settings.count;
  for (run->variant = 0; run->variant < run->n_variants; run->variant++)
    {
      PalResult *result = compute_one (run, &plan, variant_seed (first, run->variant), cancellable,
                                       error);

      if (! result)
        break;
      g_ptr_array_add (results, result);
      if (client->result)
        client->result (result, client->data);
    }
  run->client = NULL;

  /* The results keep the rest of what was read. */
  g_clear_pointer (&plan.capture->source, pal_image_free);
  g_clear_pointer (&plan.capture->mask, pal_image_free);

  return run->variant == run->n_variants ? g_steal_pointer (&results) : NULL;
}

/* Applying */

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

/* How the layer was made, in the image's file and through undo and redo. */
static void
attach_recipe (GimpLayer *layer, const gchar *recipe)
{
  GimpParasite *parasite;

  if (! recipe)
    return;

  parasite = gimp_parasite_new (PAL_RECIPE_PARASITE,
                                GIMP_PARASITE_PERSISTENT | GIMP_PARASITE_UNDOABLE,
                                (guint32) strlen (recipe) + 1, recipe);
  gimp_item_attach_parasite (GIMP_ITEM (layer), parasite);
  gimp_parasite_free (parasite);
}

/* Everything between the first layer and the image happens at once, so that a plug-in
 * stopped or killed while computing leaves nothing in GIMP. */
static GPtrArray *
make_layers (GPtrArray *results, GError **error)
{
  g_autoptr (GPtrArray) layers = g_ptr_array_new ();

  for (guint i = 0; i < results->len; i++)
    {
      const PalResult  *result = results->pdata[i];
      g_autofree gchar *name   = layer_name (result->prompt, result->seed);
      GimpLayer        *layer  = pal_layer_from_image (result->data, result->image, name, error);

      if (! layer)
        {
          for (guint j = 0; j < layers->len; j++)
            gimp_item_delete (layers->pdata[j]);
          return NULL;
        }
      attach_recipe (layer, result->recipe);
      g_ptr_array_add (layers, layer);
    }

  return g_steal_pointer (&layers);
}

/* "Restyle (seeds 7, 8, 9)" */
static gchar *
group_name (GPtrArray *results)
{
  const PalResult *first = results->pdata[0];
  GString         *seeds = g_string_new (NULL);
  gchar           *name;

  for (guint i = 0; i < results->len; i++)
    g_string_append_printf (seeds, "%s%d", i ? ", " : "",
                            ((PalResult *) results->pdata[i])->seed);

  /* TRANSLATORS: name of a layer group: what was done, as "Restyle", and the random seeds. */
  name = g_strdup_printf (_("%s (seeds %s)"), _(pal_purpose_info (first->purpose)->title),
                          seeds->str);
  g_string_free (seeds, TRUE);
  return name;
}

/* The newest layer goes on top of those that were added before. */
static GimpLayer *
newest_layer (PalRun *run)
{
  GimpLayer *newest = run->layers ? run->layers->pdata[run->layers->len - 1] : NULL;

  if (! newest || ! gimp_item_is_valid (GIMP_ITEM (newest)))
    return run->layer;

  /* Not into the group of the last time. */
  if (run->layers->len > 1 && gimp_item_get_parent (GIMP_ITEM (newest)) !=
                              gimp_item_get_parent (GIMP_ITEM (run->layer)))
    return GIMP_LAYER (gimp_item_get_parent (GIMP_ITEM (newest)));

  return newest;
}

gboolean
pal_run_apply (PalRun *run, GPtrArray *results, gboolean grouped, GError **error)
{
  g_autoptr (GPtrArray) layers = NULL;
  g_autofree gchar     *name   = grouped && results->len > 1 ? group_name (results) : NULL;
  gboolean              grows  = FALSE;

  for (guint i = 0; i < results->len; i++)
    grows |= ((PalCapture *) ((PalResult *) results->pdata[i])->data)->grows;

  if (! gimp_image_is_valid (run->image))
    {
      g_set_error_literal (error, PAL_ERROR, PAL_ERROR_ARGUMENT,
                           _("The image was closed before the result was ready."));
      return FALSE;
    }

  layers = make_layers (results, error);
  if (! layers || ! pal_layers_insert (run->image, newest_layer (run), layers, grows, name, error))
    return FALSE;

  g_clear_pointer (&run->layers, g_ptr_array_unref);
  run->layers = g_steal_pointer (&layers);
  run->seed   = ((PalResult *) results->pdata[0])->seed;
  return TRUE;
}

GimpImage *
pal_run_image (PalRun *run)
{
  return run->image;
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
