/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streaming: a program whose weights do not fit holds those of two segments at a time, in
 * two slots of one buffer each. While the device works on a segment, the next one's are
 * packed into the other slot.
 *
 * Easy to get wrong: a slot is free once the segment before the last has run, which
 * pal_device_pace () waits for; weights that two segments use are loaded for both
 * (tests/unit/device/test-stream.c). */

#include "run/private.h"

#define N_SLOTS 2

/* A weight's place in the slot of its segment. */
typedef struct
{
  PalWeight *weight;
  gsize      offset_bytes;
  PalBuffer *part;              /* NULL until the ring is allocated */
} Place;

typedef struct
{
  guint   first_step;
  GArray *places;               /* Place */
  gsize   n_bytes;
} Segment;

typedef struct
{
  PalBuffer *buffer;            /* NULL until allocated */
  guint      loaded;            /* its segment; G_MAXUINT: none */
} Slot;

struct _PalStream
{
  PalResidency *residency;
  GPtrArray    *segments;       /* Segment */
  gsize         slot_bytes;
  Slot          slots[N_SLOTS];
};

static void
place_clear (gpointer data)
{
  g_clear_pointer (&((Place *) data)->part, pal_buffer_unref);
}

static void
segment_free (gpointer data)
{
  Segment *segment = data;

  g_array_unref (segment->places);
  g_free (segment);
}

static Segment *
segment_new (guint first_step)
{
  Segment *segment = g_new0 (Segment, 1);

  segment->first_step = first_step;
  segment->places     = g_array_new (FALSE, TRUE, sizeof (Place));
  g_array_set_clear_func (segment->places, place_clear);

  return segment;
}

static Place *
find_place (Segment         *segment,
            const PalWeight *weight)
{
  for (guint i = 0; i < segment->places->len; i++)
    {
      Place *place = &g_array_index (segment->places, Place, i);

      if (place->weight == weight)
        return place;
    }

  return NULL;
}

static void
add_weight (Segment   *segment,
            PalWeight *weight,
            gsize      align)
{
  const Place place = { .weight = weight, .offset_bytes = segment->n_bytes };

  if (weight->shared || find_place (segment, weight))
    return;

  g_array_append_val (segment->places, place);
  segment->n_bytes += (weight->n_bytes + align - 1) / align * align;
}

PalStream *
pal_stream_new (PalTape *tape)
{
  const gsize align  = pal_device_part_bytes (pal_residency_device (tape->residency));
  PalStream  *stream = g_new0 (PalStream, 1);
  Segment    *segment = NULL;

  stream->residency = pal_residency_ref (tape->residency);
  stream->segments  = g_ptr_array_new_with_free_func (segment_free);

  for (guint s = 0; s < tape->steps->len; s++)
    {
      const PalStep *step = g_ptr_array_index (tape->steps, s);

      if (! segment || step->segment)
        g_ptr_array_add (stream->segments, segment = segment_new (s));

      for (guint i = 0; i < step->n_weights; i++)
        if (step->weight[i])
          add_weight (segment, step->weight[i], align);

      stream->slot_bytes = MAX (stream->slot_bytes, segment->n_bytes);
    }

  return stream;
}

void
pal_stream_release (PalStream *stream)
{
  for (guint i = 0; i < stream->segments->len; i++)
    {
      Segment *segment = g_ptr_array_index (stream->segments, i);

      for (guint k = 0; k < segment->places->len; k++)
        place_clear (&g_array_index (segment->places, Place, k));
    }

  for (guint i = 0; i < N_SLOTS; i++)
    g_clear_pointer (&stream->slots[i].buffer, pal_buffer_unref);
}

void
pal_stream_free (PalStream *stream)
{
  pal_stream_release (stream);
  g_ptr_array_unref (stream->segments);
  pal_residency_unref (stream->residency);
  g_free (stream);
}

/* A program of one segment needs no second slot. */
static guint
n_slots (const PalStream *stream)
{
  return MIN (stream->segments->len, N_SLOTS);
}

guint64
pal_stream_bytes (const PalStream *stream)
{
  return (guint64) n_slots (stream) * stream->slot_bytes;
}

static gboolean
divide (PalStream  *stream,
        guint       index,
        GError    **error)
{
  Segment   *segment = g_ptr_array_index (stream->segments, index);
  PalBuffer *slot    = stream->slots[index % N_SLOTS].buffer;

  for (guint i = 0; i < segment->places->len; i++)
    {
      Place *place = &g_array_index (segment->places, Place, i);

      place->part = pal_buffer_part (slot, place->offset_bytes, place->weight->n_bytes, error);
      if (! place->part)
        return FALSE;
    }

  return TRUE;
}

static gboolean
allocate (PalStream  *stream,
          GError    **error)
{
  for (guint i = 0; i < n_slots (stream); i++)
    {
      stream->slots[i].loaded = G_MAXUINT;
      stream->slots[i].buffer = pal_buffer_new (pal_residency_device (stream->residency),
                                                stream->slot_bytes, error);
      if (! stream->slots[i].buffer)
        return FALSE;
    }

  for (guint i = 0; i < stream->segments->len; i++)
    if (! divide (stream, i, error))
      return FALSE;

  return TRUE;
}

gboolean
pal_stream_reserve (PalStream  *stream,
                    GError    **error)
{
  if (stream->slot_bytes == 0 || stream->slots[0].buffer)
    return TRUE;

  if (allocate (stream, error))
    return TRUE;

  pal_stream_release (stream);
  return FALSE;
}

/* slot: the mapped memory of the segment's slot. */
static gboolean
pack (PalStream      *stream,
      const Segment  *segment,
      guint8         *slot,
      GError        **error)
{
  for (guint i = 0; i < segment->places->len; i++)
    {
      const Place *place = &g_array_index (segment->places, Place, i);

      if (! pal_residency_pack (stream->residency, place->weight, slot + place->offset_bytes,
                                error))
        return FALSE;
    }

  return TRUE;
}

gboolean
pal_stream_load (PalStream  *stream,
                 guint       index,
                 GError    **error)
{
  const Segment *segment = g_ptr_array_index (stream->segments, index);
  Slot          *slot    = &stream->slots[index % N_SLOTS];
  guint8        *mapped;
  gboolean       packed;

  if (segment->n_bytes == 0 || slot->loaded == index)
    return TRUE;

  slot->loaded = G_MAXUINT;
  if (! (mapped = pal_buffer_map (slot->buffer, TRUE, error)))
    return FALSE;

  packed = pack (stream, segment, mapped, error);
  if (! pal_buffer_unmap (slot->buffer, mapped, packed ? error : NULL) || ! packed)
    return FALSE;

  slot->loaded = index;
  return TRUE;
}

PalBuffer *
pal_stream_buffer (PalStream       *stream,
                   guint            step,
                   const PalWeight *weight)
{
  guint        index = stream->segments->len - 1;
  const Place *place;

  while (((Segment *) g_ptr_array_index (stream->segments, index))->first_step > step)
    index--;

  place = find_place (g_ptr_array_index (stream->segments, index), weight);
  return place ? place->part : weight->buffer;
}
