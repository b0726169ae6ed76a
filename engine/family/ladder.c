/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ladder: choosing rungs by the plans of a run's phases. */

#include "family/model.h"

#include <glib/gi18n-lib.h>

/* A larger picture goes through the codec in tiles whatever the memory, since its
 * activations would be gigabytes. */
#define MOST_WHOLE_PX (1024 * 1024)

/* In smaller ones, norms over a whole tile would differ too much from tile to tile. */
static const gint tiles_px[] = { 512, 384, 256 };

#define MOST_OVERLAP_PX 128

static const struct
{
  PalRungs     rung;
  const gchar *text;
} rungs[] = {
  { PAL_RUNG_PARTS, N_("short of memory: weights are held only while their network works") },
  { PAL_RUNG_SPLIT, N_("short of memory: prompt and negative prompt are run one after the other") },
  { PAL_RUNG_TILES, N_("short of memory: the picture is encoded or decoded in tiles") },
  { PAL_RUNG_STREAM, N_("short of memory: weights are read anew at each step, which is slower") },
};

const gchar *
pal_rung_text (PalRungs rung)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rungs); i++)
    if (rungs[i].rung == rung)
      return rungs[i].text;

  return NULL;
}

static const gchar *const titles[PAL_N_PHASES] = {
  [PAL_PHASE_LOAD] = N_("reading weights"),
  [PAL_PHASE_TEXT] = N_("reading the prompt"),
  [PAL_PHASE_ENCODE] = N_("encoding the picture"),
  [PAL_PHASE_DENOISE] = N_("painting"),
  [PAL_PHASE_DECODE] = N_("decoding the picture"),
};

const gchar *
pal_phase_title (PalPhase phase)
{
  g_return_val_if_fail (phase < PAL_N_PHASES, NULL);

  return titles[phase];
}

PalLadder
pal_ladder_top (PalDevice *device)
{
  return (PalLadder) { .parts = pal_device_info (device)->is_cpu };
}

static gboolean
is_codec (PalPhase phase)
{
  return phase == PAL_PHASE_ENCODE || phase == PAL_PHASE_DECODE;
}

/* The next smaller tile for a picture; 0 if there is none. */
static gint
smaller_tile (gint tile_px, gint longest_px)
{
  const gint most = tile_px > 0 ? MIN (tile_px, longest_px) : longest_px;

  for (gsize i = 0; i < G_N_ELEMENTS (tiles_px); i++)
    if (tiles_px[i] < most)
      return tiles_px[i];

  return 0;
}

gboolean
pal_ladder_descend (PalLadder *ladder, PalPhase phase, gint size)
{
  const gint tile = is_codec (phase) ? smaller_tile (ladder->tile_px[phase], size) : 0;
  PalRungs rung;

  if (! ladder->parts)
    {
      ladder->parts = TRUE;
      rung = PAL_RUNG_PARTS;
    }
  else if (phase == PAL_PHASE_DENOISE && size > 1 && ! ladder->split)
    {
      ladder->split = TRUE;
      rung = PAL_RUNG_SPLIT;
    }
  else if (tile > 0)
    {
      ladder->tile_px[phase] = tile;
      rung = PAL_RUNG_TILES;
    }
  else if (! ladder->streamed[phase])
    {
      ladder->streamed[phase] = TRUE;
      rung = PAL_RUNG_STREAM;
    }
  else
    {
      return FALSE;
    }

  ladder->rungs |= rung;
  return TRUE;
}

gint
pal_ladder_tile (const PalLadder *ladder, PalPhase phase, gint width_px, gint height_px)
{
  const gint most = (gint64) width_px * height_px > MOST_WHOLE_PX ? tiles_px[0] : 0;
  const gint tile = ladder->tile_px[phase] > 0 ? ladder->tile_px[phase] : most;

  return tile < MAX (width_px, height_px) ? tile : 0;
}

gint
pal_ladder_overlap (gint tile_px)
{
  return MIN (tile_px / 2, MOST_OVERLAP_PX);
}

/* What one phase needs on the device while it works. */
typedef struct
{
  guint64 weights, working;
} Need;

/* A work as the ladder has it done. */
static PalCallSize
done_as (const PalLadder *ladder, PalPhase phase, PalCallSize work, gint factor)
{
  const gint unit = phase == PAL_PHASE_DECODE ? factor : 1;
  gint tile;

  if (phase == PAL_PHASE_DENOISE && ladder->split)
    work.batch = MIN (work.batch, 1);

  if (! is_codec (phase))
    return work;

  tile = pal_ladder_tile (ladder, phase, work.width * unit, work.height * unit);
  if (tile > 0)
    {
      work.width = MIN (work.width, tile / factor * factor / unit);
      work.height = MIN (work.height, tile / factor * factor / unit);
    }

  return work;
}

static gboolean
measure (PalModel *model, const PalLadder *ladder, PalPhase phase, const PalWorkload *load,
         Need *need, GError **error)
{
  const PalCallSize *works = load->works[phase];
  PalPlanReport match = { 0 };

  if (phase == PAL_PHASE_DENOISE && load->match.n_queries > 0 &&
      ! pal_model_measure_match (model, &load->match, &match, error))
    return FALSE;

  *need = (Need) { .working = match.arena_bytes };

  for (guint i = 0; i < PAL_MAX_WORKS; i++)
    {
      PalCallSize work = done_as (ladder, phase, works[i], pal_model_vae (model)->factor);
      PalPlanReport plan;

      if (work.batch == 0)
        continue;
      if (! pal_model_measure (model, phase, &work, &plan, error))
        return FALSE;

      need->weights = ladder->streamed[phase] ? plan.ring_bytes : plan.weight_bytes;
      need->working = MAX (need->working, plan.arena_bytes);
    }

  return TRUE;
}

/* What pal_ladder_descend () wants to know of a phase. */
static gint
size_of (PalPhase phase, const PalCallSize *works, gint factor)
{
  gint size = 1;

  for (guint i = 0; i < PAL_MAX_WORKS; i++)
    if (is_codec (phase))
      size = MAX (size, MAX (works[i].width, works[i].height) *
                        (phase == PAL_PHASE_DECODE ? factor : 1));
    else
      size = MAX (size, works[i].batch);

  return size;
}

/* The most at one time: the largest phase, or all weights and the largest work. */
static guint64
peak (const PalLadder *ladder, const Need *needs)
{
  guint64 weights = 0, working = 0, largest = 0;

  for (guint i = 0; i < PAL_N_PHASES; i++)
    {
      weights += needs[i].weights;
      working = MAX (working, needs[i].working);
      largest = MAX (largest, needs[i].weights + needs[i].working);
    }

  return ladder->parts ? largest : weights + working;
}

/* The tiles of a codec's works, which large pictures go in whatever the memory. */
static gint
tile_of (const PalLadder *ladder, PalPhase phase, const PalCallSize *works, gint factor)
{
  const gint unit = phase == PAL_PHASE_DECODE ? factor : 1;
  gint tile_px = 0;

  for (guint i = 0; is_codec (phase) && i < PAL_MAX_WORKS; i++)
    if (works[i].batch > 0)
      tile_px = MAX (tile_px, pal_ladder_tile (ladder, phase, works[i].width * unit,
                                               works[i].height * unit));

  return tile_px;
}

static void
fill_report (PalMemoryReport *report, const PalLadder *ladder, const Need *needs,
             const PalWorkload *load, gint factor)
{
  report->peak_bytes = peak (ladder, needs);
  report->rungs = ladder->rungs;
  for (guint i = 0; i < PAL_N_PHASES; i++)
    {
      report->weights_bytes[i] = needs[i].weights;
      report->working_bytes[i] = needs[i].working;
      report->tile_px[i] = tile_of (ladder, (PalPhase) i, load->works[i], factor);
      report->streamed[i] = ladder->streamed[i];
    }
}

static gboolean
refuse (PalModel *model, PalPhase phase, const Need *need, guint64 budget_bytes, GError **error)
{
  g_autofree gchar *all = g_format_size_full (need->weights + need->working,
                                              G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *weights = g_format_size_full (need->weights, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *working = g_format_size_full (need->working, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *most = g_format_size_full (budget_bytes, G_FORMAT_SIZE_IEC_UNITS);

  g_set_error (error, PAL_ERROR, PAL_ERROR_MEMORY,
               "%s needs %s of memory at least, %s for weights and %s to work in, and %s may use "
               "%s; work on a smaller part of the image, use a smaller model, or raise "
               "PALIMPSEST_BUDGET", pal_phase_title (phase), all, weights, working,
               pal_device_info (pal_model_device (model))->name, most);
  return FALSE;
}

/* Climbs down for one phase until it fits. A ring of two slots may be larger than all of a
 * small network's weights, which are then left where they are. */
static gboolean
fit_phase (PalModel *model, PalPhase phase, const PalWorkload *load, guint64 budget_bytes,
           PalLadder *ladder, Need *need, GError **error)
{
  const gint size = size_of (phase, load->works[phase], pal_model_vae (model)->factor);

  while (need->weights + need->working > budget_bytes)
    {
      const PalLadder before = *ladder;
      const Need had = *need;

      if (! pal_ladder_descend (ladder, phase, size))
        return refuse (model, phase, need, budget_bytes, error);
      if (! measure (model, ladder, phase, load, need, error))
        return FALSE;

      if (ladder->streamed[phase] && need->weights >= had.weights)
        {
          *ladder = before;
          *need = had;
          return refuse (model, phase, need, budget_bytes, error);
        }
    }

  return TRUE;
}

/* Streamed weights may leave room for both runs at once, which read them once, not twice. */
static void
join_runs (PalModel *model, const PalWorkload *load, guint64 budget_bytes, PalLadder *ladder,
           Need *need)
{
  PalLadder joined = *ladder;
  Need other;

  joined.split = FALSE;
  joined.rungs &= ~(guint) PAL_RUNG_SPLIT;
  if (! ladder->split || ! ladder->streamed[PAL_PHASE_DENOISE] ||
      ! measure (model, &joined, PAL_PHASE_DENOISE, load, &other, NULL) ||
      other.weights + other.working > budget_bytes)
    return;

  *ladder = joined;
  *need = other;
}

gboolean
pal_ladder_plan (PalModel *model, const PalWorkload *load, guint64 budget_bytes,
                 PalLadder *ladder, PalMemoryReport *report, GError **error)
{
  Need needs[PAL_N_PHASES] = { 0 };
  gboolean fits = TRUE;

  *ladder = pal_ladder_top (pal_model_device (model));
  *report = (PalMemoryReport) { .budget_bytes = budget_bytes };

  for (guint i = 0; i < PAL_N_PHASES; i++)
    if (! measure (model, ladder, (PalPhase) i, load, &needs[i], error))
      return FALSE;

  if (! ladder->parts && peak (ladder, needs) > budget_bytes)
    {
      ladder->parts = TRUE;
      ladder->rungs |= PAL_RUNG_PARTS;
    }

  /* To the end, so that the report of what does not fit is whole. */
  if (ladder->parts)
    for (guint i = 0; i < PAL_N_PHASES; i++)
      fits &= fit_phase (model, (PalPhase) i, load, budget_bytes, ladder, &needs[i],
                         fits ? error : NULL);

  join_runs (model, load, budget_bytes, ladder, &needs[PAL_PHASE_DENOISE]);
  fill_report (report, ladder, needs, load, pal_model_vae (model)->factor);
  return fits;
}
