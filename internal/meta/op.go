package meta

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/crc32"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

// Op is one command of a list.
type Op struct {
	Name string
	CDB  []byte
	Out  []byte // data-out
	In   int    // room for data-in in bytes

	want   []byte  // what the data-in has to be, if the command ends with GOOD; nil: anything
	status *region // the command is GET LBA STATUS from here
	toggle *toggle // the command is a MODE SELECT that is made of a MODE SENSE
}

// region is a copy of what the disk holds from a logical block on.
type region struct {
	lba   uint64
	block int // bytes
	data  []byte
}

// toggle is a change of a mode page: the bits of mask in byte at are inverted.
type toggle struct {
	page, at, mask byte
}

// Answer is how a command ended.
type Answer struct {
	Status   scsi.Status
	Sense    []byte // as it was sent
	N        int    // bytes of data-in
	Residual int64
}

// describe is the line of the transcript for a command that has ended, with its data-in.
func (o *Op) describe(a Answer, in []byte) string {
	data := o.data(a, in)
	if o.status != nil && a.Status == scsi.StatusGood {
		a.Residual = 0 // of as many descriptors as the store likes
	}
	return fmt.Sprintf("%s [% x] out %d in %d: %v, residual %d%s%s", o.Name, o.CDB, len(o.Out), o.In, a.Status, a.Residual, sense(a.Sense), data)
}

func sense(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	e, err := scsi.ParseSense(b)
	if err != nil {
		return fmt.Sprintf(", sense % x (%v)", b, err)
	}
	return fmt.Sprintf(", sense % x (%v)", b, e.Sense)
}

// data is what the transcript tells of the data-in.
func (o *Op) data(a Answer, in []byte) string {
	if a.Status != scsi.StatusGood {
		if a.N != 0 {
			return fmt.Sprintf(", WRONG: %d bytes of data-in", a.N)
		}
		return ""
	}
	in = in[:a.N]
	switch {
	case o.status != nil:
		return ", " + o.status.check(in)
	case o.want != nil && !bytes.Equal(o.want, in):
		return ", WRONG: " + difference(o.want, in)
	case len(in) == 0:
		return ""
	case len(in) <= 128 && o.want == nil:
		return ", data " + hex.EncodeToString(in)
	}
	return fmt.Sprintf(", %d bytes %08x", len(in), crc32.ChecksumIEEE(in))
}

func difference(want, got []byte) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d bytes, not %d", len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			return fmt.Sprintf("byte %d is %02x, not %02x", i, got[i], want[i])
		}
	}
	return "no difference"
}

// check looks at GET LBA STATUS parameter data. How finely a store knows what is mapped
// is its own affair; but the descriptors have to follow each other, and what is
// deallocated has to read as zeroes.
func (r *region) check(b []byte) string {
	if len(b) < 24 {
		return fmt.Sprintf("%d bytes", len(b))
	}
	list, err := sbc.ParseLBAStatus(b)
	if err != nil && err != sbc.ErrShort {
		return "WRONG: " + err.Error()
	}
	next := r.lba
	for _, s := range list {
		if s.LBA != next || s.Blocks == 0 {
			return fmt.Sprintf("WRONG: %d blocks at %d follow, %d was next", s.Blocks, s.LBA, next)
		}
		next += uint64(s.Blocks)
		if s.State != sbc.Deallocated {
			continue
		}
		from := min(uint64(len(r.data)), (s.LBA-r.lba)*uint64(r.block))
		to := min(uint64(len(r.data)), (next-r.lba)*uint64(r.block))
		if i := bytes.IndexFunc(r.data[from:to], func(c rune) bool { return c != 0 }); i >= 0 {
			return fmt.Sprintf("WRONG: block %d is deallocated and not zero", s.LBA+uint64(i/r.block))
		}
	}
	return "blocks in order"
}
