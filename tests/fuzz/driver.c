/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replays a corpus where libFuzzer is not built in: each file of the folder given as it
 * is, cut short in many places, and with bytes changed, always in the same way. */

#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define N_CUTS    64
#define N_CHANGES 256

static guint
replay (const gchar *data,
        gsize        size)
{
  g_autofree guint8  *bytes  = g_memdup2 (data, size);
  g_autoptr (GRand)   random = g_rand_new_with_seed ((guint32) size);
  guint               runs   = 1;

  LLVMFuzzerTestOneInput (bytes, size);

  for (guint i = 0; i < N_CUTS; i++, runs++)
    {
      const gsize length = size * i / N_CUTS;
      /* On the heap and no longer, so that reading past the end shows. */
      g_autofree guint8 *cut = g_memdup2 (data, length);

      LLVMFuzzerTestOneInput (cut, length);
    }

  for (guint i = 0; i < N_CHANGES && size > 0; i++, runs++)
    {
      memcpy (bytes, data, size);
      for (gint32 n = g_rand_int_range (random, 1, 4); n > 0; n--)
        bytes[g_rand_int (random) % size] = (guint8) g_rand_int (random);

      LLVMFuzzerTestOneInput (bytes, size);
    }

  return runs;
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GDir) dir   = argc == 2 ? g_dir_open (argv[1], 0, NULL) : NULL;
  const gchar     *name;
  guint            files = 0, runs = 0;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree gchar *path = g_build_filename (argv[1], name, NULL);
      g_autofree gchar *data = NULL;
      gsize             size = 0;

      if (! g_file_get_contents (path, &data, &size, NULL))
        return 1;

      runs += replay (data, size);
      files++;
    }

  printf ("%u files, %u inputs\n", files, runs);

  return files > 0 ? 0 : 1;
}
