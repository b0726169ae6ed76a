/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --model: a whole restyle through the public edge, by phases; or what its calls would do. */

#include "bench.h"


#include "family/model.h"

#define STATUS "/proc/self/status"

static const BenchColumn columns[] = {
  { "phase",  "phase",      -8, 0 },
  { "calls",  "calls",      5,  0 },
  { "first_wall", "first s", 8, 3 },
  { "wall",   "wall s",     8,  3 },
  { "cpu",    "CPU s",      8,  3 },
  { "gflop",  "GFLOP",      9,  2 },
  { "gflops", "GFLOP/s",    8,  1 },
  { "peak",   "of peak",    7,  2 },
  { "gbytes_moved", "GB moved", 8, 3 },
  { "gbytes", "GB/s",       7,  1 },
};

static const gchar *const phase_names[PAL_N_PHASES] = {
  [PAL_PHASE_LOAD] = "load", [PAL_PHASE_TEXT] = "text", [PAL_PHASE_ENCODE] = "encode",
  [PAL_PHASE_DENOISE] = "step", [PAL_PHASE_DECODE] = "decode",
};

/* One call of the denoiser, or one other phase. */
typedef struct
{
  BenchTime time;
  PalWork   work;
} Sample;

/* The samples of all runs, by phase. */
typedef struct
{
  BenchRun *run;
  PalPhase  phase;              /* what goes on since `start` */
  gint      step;
  BenchTime start;
  PalWork   before;
  GArray   *samples[PAL_N_PHASES];
} Clock;

static void
begin (Clock *clock)
{
  clock->start  = bench_now ();
  clock->before = pal_device_work (clock->run->device);
}

static void
end (Clock *clock)
{
  const PalWork now    = pal_device_work (clock->run->device);
  const Sample  sample = { bench_since (clock->start),
                           { now.flops - clock->before.flops,
                             now.bytes - clock->before.bytes } };

  g_array_append_val (clock->samples[clock->phase], sample);
}

/* A PalProgressFunc: a phase or a step is over. What comes between the last step and the
 * decoder is part of neither. */
static void
tick (const PalProgress *progress, gpointer data)
{
  Clock         *clock    = data;
  const gboolean finished = progress->fraction >= 1.0;
  const gboolean stepped  = progress->phase == PAL_PHASE_DENOISE &&
                            progress->step > clock->step;
  const gboolean moved    = progress->phase != clock->phase;

  if (finished || stepped || (moved && clock->phase != PAL_PHASE_DENOISE &&
                              clock->phase != PAL_PHASE_LOAD))
    end (clock);

  clock->phase = progress->phase;
  clock->step  = progress->step;
  begin (clock);
}

/* Colours that vary, so that nothing is a special case. */
static PalImage *
source_image (gint side)
{
  PalImage *image = pal_image_new (side, side, 3);

  for (gint i = 0; image && i < side * side * 3; i++)
    image->data[i] = (gfloat) ((i * 2654435761u) >> 16 & 255) / 255.0f;

  return image;
}

/* A prompt that the model understands. */
static const gchar *
prompt_for (const PalModelInfo *info)
{
  return info->styles && info->styles[0] ? info->styles[0] : "a painting of a harbour";
}

static gboolean
run_once (Clock *clock, PalModel *model, const PalImage *source, PalReport *report,
          GError **error)
{
  const BenchRun  *run     = clock->run;
  const PalRequest request = { .intent   = PAL_RESTYLE,
                               .prompt   = prompt_for (pal_model_info (model)),
                               .source   = source,
                               .strength = 1.0,
                               .steps    = run->steps,
                               .seed     = 1 };
  g_autoptr (PalImage) image = NULL;

  /* Every run reads its prompt and encodes its source itself. */
  pal_model_set_memo (model, NULL, NULL);
  clock->phase = PAL_PHASE_LOAD;
  clock->step  = 0;
  image = pal_generate (model, &request, tick, clock, report, NULL, error);

  return image != NULL;
}

/* Bytes of a line of /proc/self/status, "VmHWM"; BENCH_NONE where there is none. */
static gdouble
status_bytes (const gchar *name)
{
  g_autofree gchar *text = NULL;
  const gchar      *line;

  if (! g_file_get_contents (STATUS, &text, NULL, NULL) || ! (line = strstr (text, name)))
    return BENCH_NONE;

  return 1024.0 * g_ascii_strtod (line + strlen (name) + 1, NULL);
}

/* The first run builds kernels and packs weights; the others count. */
static void
tell_phase (const Clock *clock, PalPhase phase)
{
  const BenchRun *run     = clock->run;
  const GArray   *samples = clock->samples[phase];
  const Sample   *all     = (const Sample *) (gpointer) samples->data;
  const guint     each    = samples->len / (phase == PAL_PHASE_LOAD ? 1 : run->repeat + 1);
  const guint     skip    = samples->len > each ? each : 0;
  const guint     n       = samples->len - skip;
  g_autofree gdouble *wall = g_new (gdouble, n), *cpu = g_new (gdouble, n);
  BenchTime       median;
  gdouble         flops, busy;

  if (samples->len == 0)
    return;

  for (guint i = 0; i < n; i++)
    {
      wall[i] = all[skip + i].time.wall;
      cpu[i]  = all[skip + i].time.cpu;
    }
  median = (BenchTime) { bench_median (wall, n), bench_median (cpu, n) };
  busy   = bench_busy (run, median);
  flops  = all[skip].work.flops > 0 ? (gdouble) all[skip].work.flops : BENCH_NONE;

  bench_out_word (run->out, phase_names[phase]);
  bench_out_number (run->out, each);
  bench_out_number (run->out, all[0].time.wall);
  bench_out_number (run->out, median.wall);
  bench_out_number (run->out, median.cpu);
  bench_out_number (run->out, 1e-9 * flops);
  bench_out_number (run->out, BENCH_RATE (flops, busy));
  bench_out_number (run->out, BENCH_RATE (flops, busy) / run->peak_gflops);
  bench_out_number (run->out, 1e-9 * (gdouble) all[skip].work.bytes);
  bench_out_number (run->out, BENCH_RATE (all[skip].work.bytes, busy));
}

static void
tell_memory (BenchRun *run, const PalReport *report)
{
  const gdouble mib = 1.0 / (1 << 20);

  bench_out_figure (run->out, "sampled_width", "Sampled width, px", report->sampled_width);
  bench_out_figure (run->out, "sampled_height", "Sampled height, px", report->sampled_height);
  bench_out_figure (run->out, "weights_mib", "Weights on the device, MiB",
                    mib * (gdouble) report->weights_bytes);
  bench_out_figure (run->out, "planned_mib", "Working memory as planned, MiB",
                    mib * (gdouble) report->working_bytes);
  bench_out_figure (run->out, "bound_mib", "Working memory that any plan needs, MiB",
                    mib * (gdouble) report->working_bound_bytes);
  bench_out_figure (run->out, "resident_peak_mib", "Most resident memory of the process, MiB",
                    mib * status_bytes ("VmHWM"));
}

static gboolean
run_all (Clock *clock, GError **error)
{
  BenchRun *run = clock->run;
  g_auto (PalReport) report    = { 0 };
  g_autoptr (PalImage) source  = source_image (run->size);
  g_autoptr (PalModel) model   = NULL;

  clock->phase = PAL_PHASE_LOAD;
  begin (clock);
  model = pal_model_open (run->device, run->model, error);
  if (! model || ! source)
    return FALSE;
  end (clock);

  for (guint i = 0; i <= run->repeat; i++)
    if (! run_once (clock, model, source, &report, error))
      return FALSE;

  bench_out_table (run->out, "phases", columns, G_N_ELEMENTS (columns));
  for (guint i = 0; i < PAL_N_PHASES; i++)
    tell_phase (clock, (PalPhase) i);
  bench_out_end (run->out);
  tell_memory (run, &report);

  return TRUE;
}

/* Counting */

static const BenchColumn count_columns[] = {
  { "phase", "phase",    -8, 0 },
  { "gflop", "GFLOP",    10, 3 },
  { "gbytes_moved", "GB moved", 8, 3 },
};

static gboolean
count_all (BenchRun *run, GError **error)
{
  g_autoptr (PalModel) model = pal_model_open (run->device, run->model, error);

  if (! model)
    return FALSE;

  bench_out_table (run->out, "calls", count_columns, G_N_ELEMENTS (count_columns));
  for (guint i = PAL_PHASE_TEXT; i < PAL_N_PHASES; i++)
    {
      PalWork work;

      if (! pal_model_work (model, (PalPhase) i, 1, run->size, run->size, &work, error))
        return FALSE;
      bench_out_word (run->out, phase_names[i]);
      bench_out_number (run->out, 1e-9 * (gdouble) work.flops);
      bench_out_number (run->out, 1e-9 * (gdouble) work.bytes);
    }
  bench_out_end (run->out);

  return TRUE;
}

gboolean
bench_model (BenchRun *run, GError **error)
{
  Clock    clock = { .run = run };
  gboolean ok;

  if (run->count)
    return count_all (run, error);

  for (guint i = 0; i < PAL_N_PHASES; i++)
    clock.samples[i] = g_array_new (FALSE, FALSE, sizeof (Sample));
  ok = run_all (&clock, error);
  for (guint i = 0; i < PAL_N_PHASES; i++)
    g_array_unref (clock.samples[i]);

  return ok;
}
