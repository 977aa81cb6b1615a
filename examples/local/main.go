// Command local uses a disk without a network: it writes through the SCSI stack as to a
// file, reads back, and measures a queue of reads.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	eng := engine.New(nil)
	defer func() { err = errors.Join(err, eng.Close()) }()
	ram, err := eng.AddDevice("ram0", disk.New(mem.New(64<<20), nil), nil)
	if err != nil {
		return err
	}
	tgt, err := eng.AddTarget("self", nil)
	if err != nil {
		return err
	}
	if err := tgt.Map(0, ram, nil); err != nil {
		return err
	}
	tgt.Enable()
	ini, err := local.Login(ctx, tgt, nil)
	if err != nil {
		return err
	}
	defer ini.Close()

	if err := inquire(ctx, out, ini); err != nil {
		return err
	}
	if err := copyThrough(ctx, out, ini); err != nil {
		return err
	}
	return measure(out, ini)
}

// inquire sends a CDB. INQUIRY is answered even while a unit attention is pending.
func inquire(ctx context.Context, out io.Writer, ini *local.Initiator) error {
	in := make([]byte, 36)
	if _, err := ini.Do(ctx, 0, []byte{byte(scsi.OpInquiry), 4: byte(len(in)), 5: 0}, nil, in); err != nil {
		return err
	}
	fmt.Fprintf(out, "this is a %s\n", strings.Join(strings.Fields(string(in[8:32])), " "))
	return nil
}

// copyThrough uses the disk as io.WriterAt and io.ReaderAt. Offsets need not be whole
// blocks.
func copyThrough(ctx context.Context, out io.Writer, ini *local.Initiator) error {
	d, err := ini.Disk(ctx, 0)
	if err != nil {
		return err
	}
	const at, size = 1000, 10 << 20
	before, after := sha256.New(), sha256.New()
	source := io.TeeReader(io.LimitReader(noise{}, size), before)
	if _, err := io.Copy(io.NewOffsetWriter(d, at), source); err != nil {
		return err
	}
	if err := d.Sync(ctx); err != nil {
		return err
	}
	if _, err := io.Copy(after, io.NewSectionReader(d, at, size)); err != nil {
		return err
	}
	if [32]byte(before.Sum(nil)) != [32]byte(after.Sum(nil)) {
		return errors.New("what was read is not what was written")
	}
	fmt.Fprintf(out, "%d bytes written, read and compared\n", int64(size))
	return nil
}

// noise is an endless source of bytes that do not repeat soon.
type noise struct{}

func (noise) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>13)
	}
	return len(p), nil
}

// measure keeps 32 reads in progress without a goroutine for each.
func measure(out io.Writer, ini *local.Initiator) error {
	const depth, total = 32, 100_000
	var begun, ended atomic.Int64
	all := make(chan error, depth)
	var next func(*local.Command)
	next = func(c *local.Command) {
		if c.Err != nil || ended.Add(1) == total {
			all <- c.Err
		} else if begun.Add(1) <= total {
			ini.Start(c, next)
		}
	}
	start := time.Now()
	begun.Store(depth)
	for n := range uint64(depth) {
		ini.Start(&local.Command{CDB: scsi.AppendRead16(nil, n*8, 8), In: make([]byte, 4096)}, next)
	}
	if err := <-all; err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Fprintf(out, "%d reads of 4 KiB in %v, %.0f per second\n", total, took.Round(time.Millisecond), total/took.Seconds())
	return nil
}
