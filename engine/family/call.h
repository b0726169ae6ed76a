/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A call of a network with the shapes that its program is bound to. */

#ifndef PAL_FAMILY_CALL_H
#define PAL_FAMILY_CALL_H

#include "family/family.h"

typedef enum
{
  PAL_CALL_TEXT,
  PAL_CALL_ENCODE,
  PAL_CALL_DECODE,
  PAL_CALL_DENOISE,
  PAL_CALL_MATCH,
  PAL_N_CALLS
} PalCallKind;

/* Sizes in the call's own unit: px to encode; queries, keys and their width, as height,
 * width and tokens, to match; latent px otherwise. */
typedef struct
{
  PalCallKind   kind;
  gint64        batch, height, width, tokens;
  guint         encoder;      /* to read text */
  PalClipWanted wanted;       /* of it */
  gboolean      streamed;     /* as the ladder has it when the call is made */
} PalCall;

/* Whose weights it uses. */
PalPart  pal_call_part   (const PalCall *call);
PalPhase pal_call_phase  (PalCallKind kind);

void     pal_call_record (PalTape *tape, const PalParts *parts, const PalCall *call);
gboolean pal_call_equal  (const PalCall *a, const PalCall *b);

#endif
