package disk_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/faultstore"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/scsitest"
)

// modelBlocks is how many blocks the commands of TestPowerCut change.
const modelBlocks = 64

// powerModel knows what each block may hold after a power cut: its durable contents, and
// those that it got since.
type powerModel struct {
	rng    *rand.Rand
	r      *scsitest.Recorder
	wce    bool
	blocks [modelBlocks][][]byte
}

// TestPowerCut runs random commands with the cache on and off, cuts the power, and looks
// at what is left.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, hide := range []backstore.Cap{0, backstore.CapNowait | backstore.CapZero | backstore.CapWriteSame} {
		m := &powerModel{rng: rand.New(rand.NewPCG(seed, uint64(hide)))}
		for i := range m.blocks {
			m.blocks[i] = [][]byte{make([]byte, 512)}
		}
		store := faultstore.New(newMem(t, nil), &faultstore.Options{PowerCut: true, Hide: hide, Seed: seed})
		for range 20 {
			var err error
			m.r, err = scsitest.New(disk.New(store, &disk.Options{KeepStore: true, WriteThrough: m.rng.IntN(2) == 0}), nil)
			require.NoError(t, err)
			m.wce = caching(t, m.r).WCE
			for range 30 {
				m.step(t)
			}
			after, err := store.Cut()
			require.NoError(t, err)
			require.ErrorIs(t, m.r.Close(), backstore.ErrNotReady, "it cannot flush any more")
			store = after
			m.check(t, head(t, store, modelBlocks*512))
		}
		require.NoError(t, store.Close())
	}
}

// step runs one command.
func (m *powerModel) step(t *testing.T) {
	rng := m.rng
	n := 1 + rng.IntN(8)
	at := rng.IntN(modelBlocks - n)
	lba, count, fua := uint64(at), uint32(n), byte(8*rng.IntN(2))
	data := pattern(byte(rng.Uint32()), n*512)
	newest := m.newest(at, n)
	var res scsitest.Result
	switch rng.IntN(8) {
	case 0, 1:
		res = m.r.Do(cdb(scsi.OpWrite10, lba, count, fua), data)
		m.written(at, data, !m.wce || fua != 0)
	case 2:
		res = m.r.Do(cdb(scsi.OpWriteSame10, lba, count), data[:512])
		m.written(at, bytes.Repeat(data[:512], n), !m.wce)
	case 3:
		res = doUnmapOf(m.r, sbc.Extent{LBA: lba, Blocks: count})
		m.written(at, make([]byte, n*512), !m.wce)
	case 4:
		res = m.r.Do(cdb(scsi.OpCompareAndWrite, lba, count, fua), append(newest, data...))
		m.written(at, data, !m.wce || fua != 0)
	case 5:
		res = m.r.Do(cdb(scsi.OpWriteVerify10, lba, count, 2), data)
		m.written(at, data, true)
	case 6:
		res = m.r.Do(cdb(scsi.OpSynchronizeCache16, lba, count), nil)
		m.written(at, newest, true)
	case 7:
		m.wce = rng.IntN(2) == 0
		if res = selectWCE(m.r, m.wce, false); !m.wce {
			m.written(0, m.newest(0, modelBlocks), true)
		}
	}
	requireGood(t, res)
}

// newest is what n blocks hold now.
func (m *powerModel) newest(at, n int) []byte {
	var b []byte
	for _, list := range m.blocks[at : at+n] {
		b = append(b, list[len(list)-1]...)
	}
	return b
}

// written notes new contents.
func (m *powerModel) written(at int, data []byte, durable bool) {
	for i := range len(data) / 512 {
		list := &m.blocks[at+i]
		if durable {
			*list = nil
		}
		*list = append(*list, data[i*512:(i+1)*512])
	}
}

// check looks at the blocks after a power cut, and goes on with what they hold.
func (m *powerModel) check(t *testing.T, left []byte) {
	for i, list := range m.blocks {
		b := left[i*512 : (i+1)*512]
		require.True(t, slices.ContainsFunc(list, func(v []byte) bool { return bytes.Equal(v, b) }), "block %d", i)
		m.blocks[i] = [][]byte{b}
	}
}
