/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The public edge: everything the plug-in, its dialog and the command-line
 * program may know of the engine.
 *
 * Functions that fail return NULL or FALSE and set a GError of the domain
 * PAL_ERROR, or G_IO_ERROR_CANCELLED. All are safe to call from any thread; one
 * PalModel serves one pal_generate () at a time. */

#ifndef PAL_H
#define PAL_H

#include <gio/gio.h>

#include "pal-types.h"
#include "base/error.h"
#include "base/image.h"

G_BEGIN_DECLS

/* Devices */

typedef struct
{
  gchar   *id;                /* stable selector, "platform:device", as in "0:1" */
  gchar   *name;
  gchar   *vendor;
  gchar   *platform;
  gchar   *driver;            /* driver version */
  gboolean is_cpu;
  guint    compute_units;
  guint64  memory_bytes;
  guint64  max_allocation_bytes;
  guint64  local_bytes;
} PalDeviceInfo;

/* All OpenCL devices of all platforms; element type PalDeviceInfo. Fails, with a
 * text that says what to install, when there is no platform or no device. */
GPtrArray           *pal_device_list (GError      **error);

/* selector: NULL or "" for the best device (a GPU before a CPU), an id from
 * pal_device_list (), "cpu", "gpu", or part of a device's or platform's name.
 * PALIMPSEST_DEVICE stands in for NULL. */
PalDevice           *pal_device_open (const gchar  *selector,
                                      GError      **error);
const PalDeviceInfo *pal_device_info (PalDevice    *device);
PalDevice           *pal_device_ref  (PalDevice    *device);
void                 pal_device_unref (PalDevice   *device);

/* Models */

typedef struct _PalKnownWords PalKnownWords;

/* One network of a model, and where it lies. */
typedef struct
{
  const gchar *name;          /* "unet", as the diffusers layout calls it */
  gchar       *path;          /* of the file or index */
  gchar       *precision;
  guint64      parameters;
  guint64      stored_bytes, memory_bytes;   /* in the file, on the device */
} PalPartInfo;

typedef struct
{
  gchar   *path;
  gchar   *title;             /* folder name, or the file's without its ending */
  gchar   *family;            /* "sd1" */
  gchar   *family_title;      /* "Stable Diffusion 1.x" */
  gchar   *precision;         /* of the denoiser's weights: "F16" */
  guint64  parameters;        /* of all parts */
  guint64  weight_bytes;      /* as stored */
  guint64  memory_bytes;      /* of all weights on the device */
  GPtrArray *parts;           /* element type PalPartInfo */
  gboolean inpainting;        /* the denoiser takes a mask and a masked image */
  gboolean source_restyle;    /* restyles by looking at the source instead of by partial noise */
  gboolean instructed;        /* the prompt says what to change: "make it winter" */
  gint     trained_px;        /* side of the square it was trained at */
  gint     trained_min_px, trained_max_px;   /* sides it works well at */
  gdouble  trained_megapixels;   /* area it works well at; 0 = the square of trained_max_px */
  gint     multiple_px;       /* sides must be a multiple of this */

  /* Defaults, from the family or the model's own files. */
  gint     steps;
  gdouble  guidance, restyle_guidance, image_guidance;
  gdouble  fill_strength, restyle_strength;
  gchar   *sampler;           /* id, see pal_sampler_list () */
  const gchar *prompt_rules;  /* how prompts are written, in English, to be translated */

  /* What a small model knows; NULL for one with an open vocabulary. */
  gchar  **vocabulary;
  gchar  **styles;
  PalKnownWords *words;       /* the same and other words for them, for reading prompts */
} PalModelInfo;

/* Opens a model folder in the diffusers layout, or a checkpoint file (safetensors, GGUF,
 * PyTorch's) with what lies beside it. Nothing is copied: the weights stay mapped from their
 * files. Errors name the missing or wrong part. */
PalModel           *pal_model_open  (PalDevice    *device,
                                     const gchar  *path,
                                     GError      **error);
const PalModelInfo *pal_model_info  (PalModel     *model);
PalModel           *pal_model_ref   (PalModel     *model);
void                pal_model_unref (PalModel     *model);

/* The same facts without a device. */
PalModelInfo       *pal_model_inspect   (const gchar  *path,
                                         GError      **error);
void                pal_model_info_free (PalModelInfo *info);

/* Whether a path is one that pal_model_open () takes: a folder, or a file named as
 * checkpoints are. */
gboolean            pal_model_is_path   (const gchar  *path);

/* Folders below the given ones (and they themselves) that hold a
 * model_index.json, and checkpoint files in them; element type gchar*. */
GPtrArray          *pal_model_find (const gchar *const *folders);

/* A file of changes to a model's weights: LoRA, LoCon, LoHa, LoKr, DoRA. */
typedef struct
{
  const gchar *path;
  gdouble      strength;      /* -10 .. 10; 1 = as it was trained */
} PalAdapter;

/* Samplers */

typedef struct
{
  const gchar *id;            /* "dpmpp-2m" */
  const gchar *title;         /* "DPM++ 2M" */
  gboolean     stochastic;    /* draws noise at each step */
  gboolean     takes_schedule;            /* other than "automatic" */
  gboolean     takes_eta, takes_s_noise;  /* the others pass over them */
  gdouble      eta;           /* what eta 0 stands for */
} PalSamplerInfo;

const PalSamplerInfo *pal_sampler_list (gsize *n_samplers);

/* How the noise levels of the steps are spaced; the first is "automatic", the model's
 * own. */
typedef struct
{
  const gchar *id;            /* "sgm-uniform" */
  const gchar *title;         /* "SGM Uniform" */
} PalScheduleInfo;

const PalScheduleInfo *pal_schedule_list (gsize *n_schedules);

/* Requests */

typedef enum
{
  PAL_FILL,                   /* repaint the masked part from the prompt */
  PAL_RESTYLE,                /* keep the content, change the look */
  PAL_GENERATE,               /* from nothing */
  PAL_N_INTENTS
} PalIntent;

/* What strength 0 and guidance 0 stand for. */
gdouble pal_model_info_strength (const PalModelInfo *info,
                                 PalIntent           intent);
gdouble pal_model_info_guidance (const PalModelInfo *info,
                                 PalIntent           intent);

/* How a model with a closed vocabulary reads a prompt: as one of the captions that it was
 * trained on, a material to fill and generate, a style to restyle. */
typedef enum
{
  PAL_WORD_KNOWN,             /* used as typed, but for number and case */
  PAL_WORD_REPLACED,          /* another word is used instead */
  PAL_WORD_LEFT_OUT,          /* known, but there is room for one material or style alone */
  PAL_WORD_MISPLACED,         /* a style when filling, a material when restyling */
  PAL_WORD_UNKNOWN,
  PAL_N_WORD_FATES
} PalWordFate;

typedef struct
{
  gchar      *typed;
  gchar      *used;           /* the model's own word; NULL for PAL_WORD_UNKNOWN */
  PalWordFate fate;
} PalPromptWord;

typedef struct
{
  gchar      *prompt;         /* what the model is given */
  gboolean    understood;     /* FALSE: nothing was, and prompt is the text as typed */
  GPtrArray  *words;          /* element type PalPromptWord, in the text's order; words that
                               * say nothing of a picture ("with", "add") are not among them */
} PalPromptReading;

/* NULL for a model with an open vocabulary. prompt may be any bytes. */
PalPromptReading *pal_model_info_read_prompt (const PalModelInfo     *info,
                                              PalIntent               intent,
                                              const gchar            *prompt);
void              pal_prompt_reading_free    (PalPromptReading       *reading);

/* The typed words of one fate, joined by commas; NULL if there is none. g_free () */
gchar            *pal_prompt_reading_list    (const PalPromptReading *reading,
                                              PalWordFate             fate);

/* Values that are outside their range are refused by pal_generate (). Zeroed
 * fields mean: the model's default. */
typedef struct
{
  PalIntent       intent;
  const gchar    *prompt;
  const gchar    *negative_prompt;
  const PalImage *source;     /* RGB or RGBA; NULL to generate from nothing */
  const PalImage *mask;       /* 1 channel, of the source's size, 1 = change; NULL = all */
  gint            width, height;   /* to generate, px */
  gdouble         strength;   /* (0, 1] */
  gint            steps;      /* 1 .. 1000 */
  gdouble         guidance;   /* 1 .. 50; 1 = off, 0 = default */
  gdouble         image_guidance;   /* 1 .. 50: how much of the source stays, of models that edit
                                     * by instruction; 0 = default */
  gdouble         eta;        /* 0 .. 1, share of fresh noise at each step; 0 = the sampler's */
  gdouble         s_noise;    /* 0 .. 2, scale of that noise; 0 = 1 */
  const gchar    *sampler;    /* id; NULL = default */
  const gchar    *schedule;   /* id; NULL = "automatic" */
  gint            clip_skip;  /* the text encoder's layer that is used, counted from its end: 1 =
                               * last; 0 = the model's own */
  gboolean        keep_colours;    /* leave a fill's colours as painted; else they are drawn to
                                    * those around the mask, so that nothing steps there */
  guint64         seed;
  PalRandomKind   random;
  gboolean        preview;    /* show the picture while it forms */
  const PalAdapter *adapters; /* applied in this order; the model keeps them until another
                               * request has others */
  gsize           n_adapters;
} PalRequest;

typedef enum
{
  PAL_PHASE_LOAD,
  PAL_PHASE_TEXT,
  PAL_PHASE_ENCODE,
  PAL_PHASE_DENOISE,
  PAL_PHASE_DECODE,
  PAL_N_PHASES
} PalPhase;

typedef struct
{
  PalPhase phase;
  gint     step, n_steps;     /* of PAL_PHASE_DENOISE, step counts finished ones */
  gdouble  fraction;          /* of the whole run, 0 .. 1 */
  const PalImage *preview;    /* RGB, small, of the whole picture; until the callback returns;
                               * NULL when there is no newer one */
} PalProgress;

/* Called from the thread that called pal_generate (). */
typedef void (*PalProgressFunc) (const PalProgress *progress,
                                 gpointer           data);

/* Untranslated name of a phase: "reading weights". */
const gchar *pal_phase_title (PalPhase phase);

typedef struct
{
  gint64  phase_us[PAL_N_PHASES];     /* wall time */
  guint64 weights_bytes;              /* on the device */
  guint64 working_bytes;              /* largest activation arena */
  guint64 working_bound_bytes;        /* the least any plan could need */
  gint    sampled_width, sampled_height;   /* px at which the model worked */
  gint    steps_run;
  gchar  *note;               /* one line for the user: a word replaced, a fallback; or NULL */
} PalReport;

void pal_report_clear (PalReport *report);

/* Runs a request. Returns an RGB image of the source's size (or width x height),
 * not yet blended with the source: the caller composites through the mask.
 * report may be NULL. */
PalImage *pal_generate (PalModel         *model,
                        const PalRequest *request,
                        PalProgressFunc   progress,
                        gpointer          data,
                        PalReport        *report,
                        GCancellable     *cancellable,
                        GError          **error);

/* The part of an image that a request should be given as its source: the
 * selection with context around it, at most the image. Full image for
 * PAL_RESTYLE and PAL_GENERATE with no selection. */
PalRect   pal_context_rect (const PalModelInfo *info,
                            PalIntent           intent,
                            gdouble             strength,
                            gint                image_width,
                            gint                image_height,
                            PalRect             selection);

/* Memory */

/* What is done where a device has too little memory, in this order. */
typedef enum
{
  PAL_RUNG_PARTS  = 1 << 0,   /* weights stay on the device only while their network works */
  PAL_RUNG_SPLIT  = 1 << 1,   /* guidance in two runs instead of one batch of two */
  PAL_RUNG_TILES  = 1 << 2,   /* the picture is encoded and decoded in tiles */
  PAL_RUNG_STREAM = 1 << 3    /* weights are read anew, as they are needed */
} PalRungs;

/* One untranslated line for the user about a rung. */
const gchar *pal_rung_text (PalRungs rung);

typedef struct
{
  guint64  budget_bytes;                 /* PALIMPSEST_BUDGET, or what the device has */
  guint64  peak_bytes;                   /* the most on the device at one time */
  guint64  weights_bytes[PAL_N_PHASES];  /* on the device in a phase; PAL_PHASE_LOAD: 0 */
  guint64  working_bytes[PAL_N_PHASES];
  guint    rungs;                        /* PalRungs that the budget makes necessary */
  gint     tile_px[PAL_N_PHASES];        /* side of the codec's tiles; 0 = whole */
  gboolean streamed[PAL_N_PHASES];
} PalMemoryReport;

/* What a request will take, as it is planned, without running it or allocating anything
 * on the device. FALSE and PAL_ERROR_MEMORY with the numbers when it does not fit;
 * *report is filled then, too. */
gboolean  pal_model_fits    (PalModel          *model,
                             const PalRequest  *request,
                             PalMemoryReport   *report,
                             GError           **error);

/* Recipes: how a picture was made, as the text that other programs read
 * ("parameters": prompt, newline, "Negative prompt: ...", newline,
 * "Steps: 20, Sampler: ..., CFG scale: ..., Seed: ..., Size: ..., Model: ..."). */
typedef struct
{
  PalIntent     intent;
  gchar        *prompt, *negative_prompt, *sampler, *schedule, *model;
  gchar        *adapters;     /* names of files and strengths, for people; NULL: none */
  gdouble       strength, guidance, image_guidance, eta, s_noise;
  gint          steps, width, height, clip_skip;
  gboolean      keep_colours;
  guint64       seed;
  PalRandomKind random;
} PalRecipe;

gchar     *pal_recipe_format (const PalRequest *request,
                              const PalModelInfo *info,
                              gint              width,
                              gint              height);
PalRecipe *pal_recipe_parse  (const gchar      *text,
                              GError          **error);
void       pal_recipe_free   (PalRecipe        *recipe);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalDevice, pal_device_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalModel, pal_model_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalModelInfo, pal_model_info_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalPromptReading, pal_prompt_reading_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalRecipe, pal_recipe_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PalReport, pal_report_clear)

G_END_DECLS

#endif
