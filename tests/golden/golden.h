/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a case is checked with. Each function compares what the case stores and notes
 * failures in the result; FALSE and an error when it could not go on. */

#ifndef GOLDEN_H
#define GOLDEN_H

#include "compare.h"
#include "drive/diffusion.h"

typedef gboolean (*GoldenFunc) (GoldenCase *c, PalDevice *device, GoldenResult *result,
                                GError **error);

/* networks.c: one network with given inputs, traced. prefix: of the tensors' names. */
gboolean golden_unet        (GoldenCase *c, PalDevice *device, GoldenResult *result,
                             GError **error);
gboolean golden_codec       (GoldenCase *c, PalDevice *device, GoldenResult *result,
                             GError **error);

/* pipeline.c: every stage from its recorded input, then the whole run. */
gboolean golden_pipeline    (GoldenCase *c, PalDevice *device, GoldenResult *result,
                             GError **error);

/* stages.c */
gboolean golden_stage_text    (GoldenCase *c, PalModel *model, GoldenResult *result,
                               GError **error);
gboolean golden_stage_encode  (GoldenCase *c, PalModel *model, GoldenResult *result,
                               GError **error);
gboolean golden_stage_mask    (GoldenCase *c, PalModel *model, GoldenResult *result,
                               GError **error);
gboolean golden_stage_denoise (GoldenCase *c, PalModel *model, GoldenResult *result,
                               GError **error);
gboolean golden_stage_decode  (GoldenCase *c, PalModel *model, GoldenResult *result,
                               GError **error);

/* replay.c: the schedule, and the trajectory through pal_diffuse (). */
gboolean golden_replay      (GoldenCase *c, PalModel *model, GoldenResult *result, GError **error);

/* host.c: no device. */
gboolean golden_random      (GoldenCase *c, GoldenResult *result);
gboolean golden_tokenizers  (const gchar *folder, GoldenResult *result, GError **error);

#endif
