/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A reference case: case.json, its tensors with aliases followed, its pictures. */

#ifndef GOLDEN_CASE_H
#define GOLDEN_CASE_H

#include <json-glib/json-glib.h>

#include "base/dtype.h"
#include "base/image.h"
#include "io/tensor-file.h"
#include "sample/schedule.h"

typedef struct
{
  gchar          *folder;
  gchar          *name;         /* of the folder */
  JsonObject     *json;         /* case.json; belongs to node */
  JsonNode       *node;
  PalTensorFile *file;         /* NULL when the case has no tensors */
  GHashTable     *others;       /* case name → GoldenCase, opened for same_as_case */
  GPtrArray      *arrays;       /* what golden_floats () handed out */
} GoldenCase;

GoldenCase  *golden_case_open   (const gchar *folder, GError **error);
void         golden_case_free   (GoldenCase *c);

/* Names of all tensors, aliases included, sorted; g_strfreev (). */
gchar      **golden_names       (const GoldenCase *c);

/* A tensor with aliases followed; NULL when the case has none of that name. */
const PalTensorEntry *golden_find (GoldenCase *c, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

/* Its values as float, [B, C, H, W] turned to [B, H, W, C]; shape is that of the
 * result. The array lives as long as the case. */
const gfloat *golden_floats     (GoldenCase *c, const PalTensorEntry *entry, PalShape *shape);

/* Members of case.json; NULL or the fallback when absent. */
const gchar *golden_string      (const GoldenCase *c, const gchar *member);
gdouble      golden_call_number (const GoldenCase *c, const gchar *member, gdouble fallback);

/* Whether call.<member> is null or absent. */
gboolean     golden_call_is_null (const GoldenCase *c, const gchar *member);

/* Two integers of call.<member>; left as they are when it is absent. */
void         golden_call_pair   (const GoldenCase *c, const gchar *member, gint *first,
                                 gint *second);

/* Whether the denoiser was called with a prompt and its negative for each picture. */
gboolean     golden_guided      (GoldenCase *c);

/* call.<member> as a list of prompts, at least one ("" when absent); g_strfreev (). */
gchar      **golden_prompts     (const GoldenCase *c, const gchar *member);

/* scheduler_config with the scheduler's class in it. */
gboolean     golden_schedule    (const GoldenCase *c, PalScheduleConfig *config, GError **error);

/* The folder that case.json names as its model: ../../models/NAME from the case, else
 * NAME in a folder above. */
gchar       *golden_model       (const GoldenCase *c, GError **error);

/* A PNG of the case as [h, w, 3] bytes; NULL when there is none. */
guint8      *golden_png         (const GoldenCase *c, const gchar *name, gint *width, gint *height);

/* [n, c, h, w] → [n, h, w, c] */
gfloat      *golden_channels_last (const gfloat *x, PalShape shape);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GoldenCase, golden_case_free)

#endif
