package unit_test

import (
	"bytes"
	"fmt"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/unit"
)

// A processor device with one command of its own, READ BUFFER, which answers a greeting.
// Everything that initiators ask of a unit besides comes from package unit.
func Example() {
	u := unit.New(&unit.Options{Type: scsi.TypeProcessor, Product: "GREETER", NonBlocking: true})
	u.Handle(scsi.OpReadBuffer, func(c *scsi.Command) error {
		return c.Reply([]byte("hello"))
	})
	r, err := scsitest.New(u, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	fmt.Printf("%s\n", r.Do([]byte{0x3C, 0, 0, 0, 0, 0, 0, 0, 255, 0}, nil).Data)
	fmt.Printf("%s\n", bytes.TrimSpace(r.Do([]byte{0x12, 0, 0, 0, 32, 0}, nil).Data[16:]))
	for _, o := range u.Opcodes() {
		fmt.Println(o.Name)
	}
	// Output:
	// hello
	// GREETER
	// TEST UNIT READY
	// REQUEST SENSE
	// INQUIRY
	// MODE SELECT(6)
	// MODE SENSE(6)
	// SEND DIAGNOSTIC
	// READ BUFFER(10)
	// MODE SELECT(10)
	// MODE SENSE(10)
}
