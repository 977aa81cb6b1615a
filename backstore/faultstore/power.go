package faultstore

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/goscst/goscst/backstore"
)

// Loss says what a power cut takes.
type Loss uint8

// The kinds of Loss.
const (
	LossRandom    Loss = iota // one of the others, by the seed
	LossAll                   // everything that is not durable
	LossSince                 // everything after a moment, in the order of writing
	LossScattered             // each block on its own has any of its contents since it was durable
)

// keepVersions is how many earlier contents of a block are remembered; the durable ones always are.
const keepVersions = 8

// history is what can be lost: for each block, the contents that it had before each change since
// it was durable.
type history struct {
	bs     int64
	seq    int64
	blocks map[int64][]version // by offset
}

// version is the contents of a block before change number seq.
type version struct {
	seq  int64
	data []byte
}

func newHistory(blockSize int) *history {
	return &history{bs: int64(blockSize), blocks: map[int64][]version{}}
}

// record remembers the contents of e before it is changed.
func (h *history) record(inner backstore.Backstore, e backstore.Extent) error {
	h.seq++
	step := int64(inner.Geometry().MaxIO)
	if step == 0 {
		step = 1 << 20
	}
	for off := e.Off; off < e.Off+e.Len; {
		old := make([]byte, min(step, e.Off+e.Len-off))
		// The change may be cancelled by its context, but what it does not get to is recorded.
		if err := inner.Readv(context.Background(), [][]byte{old}, off); err != nil {
			return err
		}
		for ; len(old) > 0; old, off = old[h.bs:], off+h.bs {
			list := h.blocks[off]
			if len(list) == keepVersions {
				list = slices.Delete(list, 1, 2)
			}
			h.blocks[off] = append(list, version{h.seq, slices.Clone(old[:h.bs])})
		}
	}
	return nil
}

// durable forgets what was in e before.
func (h *history) durable(e backstore.Extent) {
	if int64(len(h.blocks)) < e.Len/h.bs {
		for off := range h.blocks {
			if off >= e.Off && off < e.Off+e.Len {
				delete(h.blocks, off)
			}
		}
		return
	}
	for off := e.Off; off < e.Off+e.Len; off += h.bs {
		delete(h.blocks, off)
	}
}

// lose writes older contents back.
func (h *history) lose(inner backstore.Backstore, loss Loss, rng *rand.Rand) error {
	if loss == LossRandom {
		loss = LossAll + Loss(rng.IntN(3))
	}
	since := int64(0)
	if loss == LossSince && h.seq > 0 {
		since = 1 + rng.Int64N(h.seq+1) // h.seq+1: nothing is lost
	}
	offs := make([]int64, 0, len(h.blocks))
	for off := range h.blocks {
		offs = append(offs, off)
	}
	slices.Sort(offs) // so that the seed decides, not the map
	size := inner.Geometry().Size
	for _, off := range offs {
		list := h.blocks[off]
		pick := len(list) // what is there now
		switch loss {
		case LossAll:
			pick = 0
		case LossSince:
			pick = slices.IndexFunc(list, func(v version) bool { return v.seq >= since })
		case LossScattered:
			pick = rng.IntN(len(list) + 1)
		}
		if pick < 0 || pick == len(list) || off >= size {
			continue
		}
		if err := inner.Writev(context.Background(), [][]byte{list[pick].data}, off); err != nil {
			return err
		}
	}
	h.blocks = map[int64][]version{}
	return nil
}
