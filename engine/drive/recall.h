/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Detail by recall: while a denoiser decides the large forms, everything finer comes
 * from the patches of one exemplar of what the prompt names. For models with an
 * exemplar memory (family/exemplars.h). */

#ifndef PAL_DRIVE_RECALL_H
#define PAL_DRIVE_RECALL_H

#include "family/model.h"
#include "sample/sampler.h"

typedef struct _PalRecall PalRecall;

/* NULL when the model has no memory, or the prompt names nothing in it or too many
 * things. One recall serves all passes of a run: its exemplars are chosen once, by what
 * the denoiser first makes of the surroundings, and by the seed. */
PalRecall *pal_recall_new   (PalModel *model, const gchar *prompt, guint64 seed);
void       pal_recall_free  (PalRecall *recall);

/* The largest pal_model_match () of a run with this prompt and latents of this size. */
PalMatchSize pal_recall_size (PalModel *model, const gchar *prompt, gint width, gint height);

/* The picture of the calls to come: its latents' size, mask [height, width], above 0 where
 * it is painted, and known [height, width, L], the picture's latents, true elsewhere. NULL
 * for either: painted everywhere. FALSE when there is not enough memory. */
gboolean   pal_recall_place (PalRecall *recall, gint width, gint height, const gfloat *mask,
                             const gfloat *known, GError **error);

/* Changes the denoiser's output at this call for latents x, both [height, width, L], to
 * what the exemplars say where it is painted. */
gboolean   pal_recall_apply (PalRecall *recall, const PalSampling *sampling, gint call,
                             const gfloat *x, gfloat *output, GCancellable *cancellable,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalRecall, pal_recall_free)

#endif
