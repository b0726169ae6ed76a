/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model's exemplar memory: latents of pictures of what its words mean, from whose
 * patches drive/recall.c takes detail that the denoiser is too small to draw.
 *
 * On disk the folder "exemplars" of a model: config.json (fields below) and
 * exemplars.safetensors, with I8 tensors "label.0", "label.1", ... [h, w, L] and F32
 * "scale" [L]. training/exemplars.py writes it. */

#ifndef PAL_FAMILY_EXEMPLARS_H
#define PAL_FAMILY_EXEMPLARS_H

#include "pal-types.h"

#define PAL_EXEMPLARS_MAX_STAGES 8
#define PAL_EXEMPLARS_MAX_LABELS 2      /* that one prompt recalls: a ground and a sky */

/* While the noise level is above a bound, patches of side cells are compared by their
 * first channels. */
typedef struct
{
  gdouble above;              /* share of noise in the latents, 0 .. 1 */
  gint    side;               /* odd, at least 3 */
  gint    channels;
} PalExemplarStage;

typedef struct
{
  gint             channels;       /* L */
  gint             form_channels;  /* of the first ones the denoiser decides the coarse part */
  gdouble          form_smooth;    /* cells: deviation of the Gaussian that is coarse, unless
                                    * the label has its own */
  gdouble          around_weight;  /* of a cell around the painted ones whose colour fits */
  gdouble          around_alike;   /* latents: deviation of the Gaussian by which it fits */
  gdouble          own_colour;     /* share of the way that the form goes to the exemplar's mean */
  gdouble          tilt;           /* by which a label that lies above others is preferred there */
  gdouble          whole_above;    /* share of noise above which its exemplar is taken as it lies */
  gdouble          vote_smooth;    /* cells: of the Gaussian that weighs votes of patches */
  gint             nearest;        /* the seed chooses among so many */
  guint            n_stages;
  PalExemplarStage stages[PAL_EXEMPLARS_MAX_STAGES];   /* by falling noise */
} PalExemplarsConfig;

typedef struct
{
  gint          width, height;     /* cells */
  const gint8  *cells;             /* [h, w, L] */
  gfloat       *mean;              /* [L], of the latents */
} PalExemplar;

/* What one or several words of a prompt recall: "grass". */
typedef struct
{
  gchar     *name;
  GPtrArray *exemplars;       /* of PalExemplar, at least one */
  gfloat    *mean;            /* [form_channels], of their means */
  gdouble    smooth;          /* cells: deviation of the Gaussian that is coarse */
  gboolean   above;           /* lies above others, as a sky does */
} PalExemplarLabel;

typedef struct _PalExemplars PalExemplars;

/* channels: L of the model's codec. Errors name the field or tensor. */
PalExemplars             *pal_exemplars_open   (const gchar *folder, gint64 channels,
                                                GError **error);
void                      pal_exemplars_free   (PalExemplars *exemplars);
const PalExemplarsConfig *pal_exemplars_config (const PalExemplars *exemplars);

/* The labels that a prompt's words stand for, at most PAL_EXEMPLARS_MAX_LABELS, else none;
 * returns how many. A word that is part of a longer one found, "sky" of "night sky", is
 * not one. */
guint                     pal_exemplars_labels (const PalExemplars *exemplars,
                                                const gchar *prompt,
                                                const PalExemplarLabel **labels);

/* Squared distance of form [form_channels] to the nearest mean of the label's exemplars. */
gdouble                   pal_exemplars_distance (const PalExemplars *exemplars,
                                                  const PalExemplarLabel *label,
                                                  const gfloat *form);

/* Of the label's exemplars nearest in mean to form [form_channels], one by the seed. */
const PalExemplar        *pal_exemplars_choose (const PalExemplars *exemplars,
                                                const PalExemplarLabel *label,
                                                const gfloat *form, guint64 seed);

/* out: [h, w, L], the latents less their mean. */
void                      pal_exemplars_read   (const PalExemplars *exemplars,
                                                const PalExemplar *exemplar, gfloat *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalExemplars, pal_exemplars_free)

#endif
