# SPDX-License-Identifier: GPL-3.0-or-later
"""Several trainers side by side, one thread each, whose parameters are averaged every few seconds.

Two threads inside one process are 1.2 times as fast as one on networks of this size; two processes are
twice as fast. Averaging parameters by the clock instead of gradients at every step (local SGD, arXiv 1805.09767)
keeps neither waiting for the other when the machine has something else to do.
"""
import os
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


class Team:
    """rank 0 leads: it alone saves and reports. Alone (count 1) every call is cheap and changes nothing."""

    def __init__(self, rank, count, folder, every):
        self.rank, self.count, self.every = rank, count, every
        self.met = time.time()
        if count > 1:
            dist.init_process_group("gloo", init_method="file://" + os.path.join(folder, "team"), rank=rank,
                                    world_size=count)

    def due(self):
        return self.count == 1 or time.time() - self.met > self.every

    @torch.no_grad()
    def meet(self, params, stop, seen):
        """Averages params in place -> whether anyone wants to stop, and the samples of all together."""
        if self.count > 1:
            flat = torch.cat([p.flatten() for p in params] + [torch.tensor([float(stop), float(seen)])])
            dist.all_reduce(flat)
            stop, seen = flat[-2].item() > 0, int(flat[-1].item())
            offset = 0
            for p in params:
                p.copy_((flat[offset:offset + p.numel()] / self.count).view_as(p))
                offset += p.numel()
        self.met = time.time()
        return stop, seen


def launch(work, args):
    """work (args, rank) in `args.workers` processes; this one is rank 0."""
    meeting = os.path.join(args.work, "team")
    if os.path.exists(meeting):
        os.remove(meeting)
    others = [mp.get_context("spawn").Process(target=work, args=(args, rank), daemon=True)
              for rank in range(1, args.workers)]
    for process in others:
        process.start()
    work(args, 0)
    for process in others:
        process.join()
