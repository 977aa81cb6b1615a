package meta

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/goscst/goscst/scsi"
)

// Exec runs one command on the disk that is tested: data-out is out, data-in goes to in.
// It may be called from several goroutines. An error is one of the transport; how a
// command ends, also badly, is in the Answer.
type Exec func(ctx context.Context, cdb, out, in []byte) (Answer, error)

// Run runs the list and returns its transcript, one line for each command in the order of
// the list. A line with the word WRONG tells of an answer that cannot be right.
func Run(ctx context.Context, list [][]Op, exec Exec) ([]string, error) {
	var lines []string
	for n, batch := range list {
		got := make([]string, len(batch))
		errs := make([]error, len(batch))
		var wg sync.WaitGroup
		for i := range batch {
			wg.Go(func() { got[i], errs[i] = batch[i].run(ctx, exec) })
		}
		wg.Wait()
		for i := range batch {
			if errs[i] != nil {
				return lines, fmt.Errorf("meta: batch %d, %s: %w", n, batch[i].Name, errs[i])
			}
			lines = append(lines, fmt.Sprintf("%d.%d %s", n, i, got[i]))
		}
	}
	return lines, nil
}

// run runs one command.
func (o *Op) run(ctx context.Context, exec Exec) (string, error) {
	if o.toggle != nil {
		return o.runToggle(ctx, exec)
	}
	in := make([]byte, o.In)
	a, err := exec(ctx, o.CDB, o.Out, in)
	if err != nil {
		return "", err
	}
	return o.describe(a, in), nil
}

// runToggle reads a mode page, changes it, and sends it back (SPC-4 6.14 and 6.12).
func (o *Op) runToggle(ctx context.Context, exec Exec) (string, error) {
	sense := []byte{byte(scsi.OpModeSense10), 0x08, o.toggle.page, 8: 255, 9: 0}
	in := make([]byte, 255)
	a, err := exec(ctx, sense, nil, in)
	if err != nil {
		return "", err
	}
	read := Op{Name: "MODE SENSE(10)", CDB: sense, In: len(in)}
	text := read.describe(a, in)
	const header = 8
	at := header + int(o.toggle.at)
	if a.Status != scsi.StatusGood || a.N <= at {
		return text, nil
	}
	list := in[:a.N]
	clear(list[:header])
	list[header] &^= 0x80 // PS is reserved here
	list[at] ^= o.toggle.mask
	sel := Op{Name: "MODE SELECT(10)", CDB: []byte{byte(scsi.OpModeSelect10), 0x10, 9: 0}, Out: list}
	binary.BigEndian.PutUint16(sel.CDB[7:], uint16(len(list)))
	if a, err = exec(ctx, sel.CDB, sel.Out, nil); err != nil {
		return "", err
	}
	return text + "; " + sel.describe(a, nil), nil
}

// Wrong returns the lines of a transcript that cannot be right.
func Wrong(lines []string) []string {
	var list []string
	for _, l := range lines {
		if strings.Contains(l, "WRONG") {
			list = append(list, l)
		}
	}
	return list
}

// Difference describes where two transcripts differ first; "" if they are equal.
func Difference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d:\n  %s\n  %s", i, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d lines and %d lines", len(a), len(b))
	}
	return ""
}
