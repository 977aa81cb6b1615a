package disk_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/spc"
)

var rewrite = flag.Bool("rewrite", false, "write what the disk answers to the golden files")

// TestGolden compares what initiators remember of a disk with golden files: INQUIRY, vital
// product data, mode pages, capacity, limits, operation codes and sense data.
func TestGolden(t *testing.T) {
	for name, tt := range map[string]struct {
		store *mem.Options
		opts  *disk.Options
		nexus func(*scsi.Nexus)
	}{
		"default": {nil, nil, nil},
		"configured": {&mem.Options{Volatile: true, BlockSize: 4096, PhysBlockSize: 16384}, &disk.Options{
			Vendor: "ACME", Product: "ROCKET DISK", Revision: "2.5", Serial: "ROCKET-0001",
			NAA:   []byte{0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
			EUI64: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Name: "naa.600102030405060708090A0B0C0D0E0F",
			MaxTransfer: 1 << 20, MaxWriteSame: -1, Removable: true,
			Control: &scsi.Control{QueueAlg: 1, TAS: true, DSense: true},
		}, func(n *scsi.Nexus) { n.Port.Group, n.Port.TPGS, n.ReadOnly = 7, 1, true }},
		"thick": {&mem.Options{Without: backstore.CapUnmap}, &disk.Options{PhysicalExponent: -1, ReadOnly: true},
			func(n *scsi.Nexus) { n.Port = scsi.Port{RelativeID: 3, Protocol: scsi.ProtocolSRP} }},
	} {
		t.Run(name, func(t *testing.T) {
			n := scsitest.NewNexus("iqn.2026-01.com.example:initiator")
			if tt.nexus != nil {
				tt.nexus(n)
			}
			r, err := scsitest.New(disk.New(newMem(t, tt.store), tt.opts), &scsitest.Options{Nexus: n})
			require.NoError(t, err)
			compareGolden(t, name, transcript(t, r))
			require.NoError(t, r.Close())
		})
	}
}

// transcript is a dump of everything that a disk says of itself.
func transcript(t *testing.T, r *scsitest.Recorder) string {
	var b strings.Builder
	show := func(name string, cdb, out []byte) []byte {
		res := r.Do(cdb, out)
		fmt.Fprintf(&b, "%s\n  % x: %v", name, cdb, res.Status)
		if res.Sense != nil {
			fmt.Fprintf(&b, ", % x", scsi.AppendSense(nil, res.Sense, r.Host.Control().DSense))
		}
		b.WriteString("\n")
		for _, line := range strings.Split(strings.TrimSpace(hex.Dump(res.Data)), "\n") {
			if line != "" {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
		return res.Data
	}
	show("INQUIRY", []byte{0x12, 0, 0, 0, 255, 0}, nil)
	pages := show("supported vital product data", []byte{0x12, 1, 0, 0, 255, 0}, nil)
	for _, p := range pages[5:] {
		show(fmt.Sprintf("page %02xh", p), []byte{0x12, 1, p, 1, 0, 0}, nil)
	}
	for pc, name := range []string{"current", "changeable", "default", "saved"} {
		show("MODE SENSE(6), "+name, []byte{0x1A, 0, byte(pc)<<6 | 0x3F, 0xFF, 255, 0}, nil)
	}
	show("MODE SENSE(10), long LBA", []byte{0x5A, 0x10, spc.PageCaching, 0, 0, 0, 0, 1, 0, 0}, nil)
	show("READ CAPACITY(10)", []byte{0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil)
	show("READ CAPACITY(16)", actionCDB(scsi.ActionReadCapacity16, 0, 32), nil)
	show("GET LBA STATUS", actionCDB(scsi.ActionGetLBAStatus, 1, 32), nil)
	show("REQUEST SENSE", []byte{3, 0, 0, 0, 252, 0}, nil)
	show("REQUEST SENSE, descriptors", []byte{3, 1, 0, 0, 252, 0}, nil)
	show("READ(10) beyond the end", cdb(scsi.OpRead10, 0xFFFFFF, 1), nil)
	show("READ(10) with RDPROTECT", cdb(scsi.OpRead10, 0, 1, 0x20), nil)
	show("VERIFY(10) that miscompares", cdb(scsi.OpVerify10, 1, 1, 2), pattern(1, r.Description.BlockSize))
	show("MODE SELECT(6) of a fixed bit", []byte{0x15, 0x10, 0, 0, 16, 0}, []byte{0, 0, 0, 0, 0x0A, 10, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	b.WriteString("operation codes\n")
	for _, o := range r.Handler.(scsi.OpcodeLister).Opcodes() {
		fmt.Fprintf(&b, "  %02x/%02x %s: % x\n", o.Op, o.Action, o.Name, o.AppendUsage(nil))
	}
	return b.String()
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")))
}
