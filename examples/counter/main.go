// Command counter is a device of one's own: a processor device that counts, with three
// vendor commands, one of which is deferred. It talks to itself through the in-process
// initiator; over iSCSI, sg_raw would send the same commands:
//
//	sg_raw -r 33 /dev/sgN c0 00 00 00 00 00 00 00 21 00
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/goscst/goscst/fabric/local"
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
	dev, err := eng.AddDevice("counter", NewCounter(), nil)
	if err != nil {
		return err
	}
	tgt, err := eng.AddTarget("iqn.2026-11.com.example:counter", nil)
	if err != nil {
		return err
	}
	if err := tgt.Map(0, dev, nil); err != nil {
		return err
	}
	tgt.Enable()
	ini, err := local.Login(ctx, tgt, nil)
	if err != nil {
		return err
	}
	if err := ini.WaitReady(ctx, 0); err != nil {
		return err
	}

	set := []byte{byte(opSet), 8: 8, 9: 0}
	if _, err := ini.Do(ctx, 0, set, binary.BigEndian.AppendUint64(nil, 41), nil); err != nil {
		return err
	}
	in := make([]byte, 33)
	count := []byte{byte(opCount), 8: byte(len(in)), 9: 0}
	for range 2 {
		r, err := ini.Do(ctx, 0, count, nil, in)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "count %d at %s\n", binary.BigEndian.Uint64(in), in[8:r.N])
	}

	// A command that would take an hour is aborted when its context ends.
	hour := []byte{byte(opWait), 2: 0, 3: 0x36, 4: 0xEE, 5: 0x80, 9: 0}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = ini.Do(short, 0, hour, nil, nil)
	fmt.Fprintf(out, "an hour: %v\n", err)
	moment := []byte{byte(opWait), 5: 1, 9: 0}
	if _, err := ini.Do(ctx, 0, moment, nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(out, "a moment: good")
	return ini.Close()
}
