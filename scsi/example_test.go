package scsi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
)

// Dice is a processor device with one vendor-specific command.
type Dice struct{ roll func() byte }

func (d *Dice) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeProcessor, NonBlocking: true, Parse: scsi.ParseUnknown}, nil
}

func (d *Dice) Parse(c *scsi.Command, p *scsi.Parsed) error {
	p.In = 1
	return nil
}

func (d *Dice) Exec(c *scsi.Command) error {
	if c.CDB()[0] != 0xC0 {
		return scsi.InvalidOpcode
	}
	return c.Reply([]byte{d.roll()})
}

func Example() {
	var h scsi.Handler = &Dice{roll: func() byte { return 4 }}
	var c scsi.Command
	c.SetCDB([]byte{0xC1, 0, 0, 0, 0, 0})
	fmt.Println(h.Exec(&c))
	// Output: illegal request: invalid command operation code (5/20/00)
}

func ExampleCommand_Decode() {
	var c scsi.Command
	c.SetCDB([]byte{0x28, 0, 0, 0, 0x10, 0, 0, 0, 8, 0})
	if err := c.Decode(scsi.TypeDisk); err != nil {
		fmt.Println(err)
		return
	}
	in, out := c.DataLen(512)
	fmt.Println(c.Op().Name, c.LBA(), c.Blocks(), in, out)
	// Output: READ(10) 4096 8 4096 0
}

func ExampleSenseError() {
	err := error(&scsi.SenseError{Sense: scsi.MediumReadError, Info: 1234, Valid: true, Cause: io.ErrUnexpectedEOF})
	fmt.Println(err)
	fmt.Println(errors.Is(err, scsi.MediumReadError), errors.Is(err, io.ErrUnexpectedEOF))
	fmt.Println(scsi.BadCDB(2, 7))
	// Output:
	// medium error: unrecovered read error (3/11/00): unexpected EOF
	// true true
	// illegal request: invalid field in cdb (5/24/00)
}

func ExampleAppendSense() {
	b := scsi.AppendSense(nil, &scsi.SenseError{Sense: scsi.InvalidFieldInCDB, Field: &scsi.FieldPointer{Byte: 2}}, false)
	fmt.Printf("%x\n", b)
	e, _ := scsi.ParseSense(b)
	fmt.Println(e.Sense, "at byte", e.Field.Byte)
	// Output:
	// 700005000000000a00000000240000c00002
	// illegal request: invalid field in cdb (5/24/00) at byte 2
}

func ExampleMakeLUN() {
	for _, n := range []uint16{0, 7, 1000} {
		fmt.Printf("%x\n", scsi.AppendLUN(nil, scsi.MakeLUN(n, scsi.LUNPeripheral)))
	}
	// Output:
	// 0000000000000000
	// 0007000000000000
	// 43e8000000000000
}

func ExampleOps() {
	for o := range scsi.Ops(scsi.TypeDisk) {
		if o.Op == scsi.OpServiceActionIn16 {
			fmt.Printf("%02x/%02x %s\n", uint8(o.Op), o.Action, o.Name)
		}
	}
	// Output:
	// 9e/10 READ CAPACITY(16)
	// 9e/12 GET LBA STATUS(16)
}

// Rom is a disk of 512-byte blocks that sends its data from where it lies.
type Rom struct{ image []byte }

func (r *Rom) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeDisk, BlockSize: 512, NonBlocking: true, LateData: true}, nil
}

func (r *Rom) Exec(c *scsi.Command) error {
	if c.Op().Op != scsi.OpRead10 {
		return scsi.InvalidOpcode
	}
	if all := uint64(len(r.image) / 512); c.LBA() > all || uint64(c.Blocks()) > all-c.LBA() {
		return scsi.LBAOutOfRange
	}
	n := c.Room()
	if n == 0 {
		return nil // nothing is asked for, or the initiator takes nothing
	}
	part := r.image[c.LBA()*512:][:n]
	if c.Lend([][]byte{part}, func() {}) == nil {
		return nil
	}
	if err := c.NeedData(); err != nil {
		return err // there is no memory: the initiator tries again
	}
	_, err := c.Data().WriteAt(part, 0)
	return err
}

func ExampleCommand_NeedData() {
	rom := &Rom{image: bytes.Repeat([]byte("goscst.\n"), 2*512/8)}
	r, err := scsitest.New(rom, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	res := r.Do([]byte{0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0}, nil) // READ(10) of block 1
	fmt.Printf("%v, %d bytes, %q\n", res.Status, len(res.Data), res.Data[:8])
	res = r.Do([]byte{0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0}, nil)
	fmt.Println(res.Code())
	// Output:
	// GOOD, 512 bytes, "goscst.\n"
	// illegal request: logical block address out of range (5/21/00)
}
