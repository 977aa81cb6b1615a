//go:build !race && !scsidebug

package local_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
)

// TestSteadyStateDoesNotAllocate is a gate: a READ or WRITE of 4 KiB or 256 KiB through
// initiator, engine, disk and memory store allocates nothing.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, x := range []struct {
		name    string
		handler func() scsi.Handler
	}{
		{"null", func() scsi.Handler { return inline(func(*scsi.Command) error { return nil }) }},
		{"workers", func() scsi.Handler { return blocking(func(*scsi.Command) error { return nil }) }},
		{"mem", func() scsi.Handler { return disk.New(mem.New(64<<20), nil) }},
	} {
		for _, direct := range []bool{false, true} {
			_, tgt := target(t, x.handler())
			i := login(t, tgt, &local.Options{Direct: direct})
			for _, size := range []int{4 << 10, 256 << 10} {
				buf := make([]byte, size)
				read, write := read16(8, uint32(size/512)), write16(8, uint32(size/512))
				gate := func(name string, f func()) {
					t.Run(fmt.Sprintf("%s/direct=%t/%d/%s", x.name, direct, size, name), func(t *testing.T) {
						for range 64 {
							f()
						}
						require.Zero(t, testing.AllocsPerRun(500, f))
					})
				}
				gate("read", func() { do(t, i, read, nil, buf) })
				gate("write", func() { do(t, i, write, buf, nil) })
				c := local.Command{CDB: read, In: buf}
				ended := make(chan struct{}, 1)
				done := func(*local.Command) { ended <- struct{}{} }
				gate("start", func() {
					i.Start(&c, done)
					<-ended
				})
			}
		}
	}
}

func TestDiskDoesNotAllocate(t *testing.T) {
	i := serve(t, disk.New(mem.New(64<<20), nil))
	d, err := i.Disk(bg, 0)
	require.NoError(t, err)
	buf := make([]byte, 4096)
	for _, off := range []int64{0, 100} {
		require.Zero(t, testing.AllocsPerRun(500, func() {
			if _, err := d.WriteAt(buf, off); err != nil {
				t.Fatal(err)
			}
			if _, err := d.ReadAt(buf, off); err != nil {
				t.Fatal(err)
			}
		}))
	}
}

func do(t testing.TB, i *local.Initiator, cdb, out, in []byte) {
	if _, err := i.Do(bg, 0, cdb, out, in); err != nil {
		t.Fatal(err)
	}
}
