/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the bench prints: tables of figures for people, or one JSON document. */

#ifndef BENCH_OUT_H
#define BENCH_OUT_H

#include <math.h>

#include <glib.h>

/* A figure that there is none of. */
#define BENCH_NONE ((gdouble) NAN)

typedef struct _BenchOut BenchOut;

typedef struct
{
  const gchar *key;             /* JSON member: "gflops" */
  const gchar *title;           /* column head: "GFLOP/s" */
  gint         width;           /* negative: flush left, text */
  gint         digits;          /* after the point, of numbers; -1: as 1.2e-03 */
} BenchColumn;

BenchOut *bench_out_new    (gboolean json);
void      bench_out_finish (BenchOut *out);   /* prints the document */
void      bench_out_free   (BenchOut *out);

/* A figure that belongs to no table; title NULL: for the document alone. */
void      bench_out_text   (BenchOut *out, const gchar *key, const gchar *title,
                            const gchar *value);
void      bench_out_figure (BenchOut *out, const gchar *key, const gchar *title, gdouble value);

/* A table is an array of objects. Cells are given in the columns' order; a row ends with
 * its last one. */
void      bench_out_table  (BenchOut *out, const gchar *key, const BenchColumn *columns,
                            guint n_columns);
void      bench_out_word   (BenchOut *out, const gchar *value);
void      bench_out_number (BenchOut *out, gdouble value);
void      bench_out_end    (BenchOut *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchOut, bench_out_free)

#endif
