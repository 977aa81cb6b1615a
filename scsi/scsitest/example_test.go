package scsitest_test

import (
	"fmt"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
)

// greeter is a device that knows one command.
type greeter struct{}

func (greeter) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeProcessor}, nil
}

func (greeter) Exec(c *scsi.Command) error {
	if c.Op().Op != scsi.OpReadBuffer {
		return scsi.InvalidOpcode
	}
	return c.Reply([]byte("hello"))
}

func Example() {
	r, err := scsitest.New(greeter{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	res := r.Do([]byte{0x3C, 0, 0, 0, 0, 0, 0, 0, 4, 0}, nil) // READ BUFFER, four bytes
	fmt.Printf("%v %q\n", res.Status, res.Data)
	res = r.Do([]byte{0x00, 0, 0, 0, 0, 0}, nil) // TEST UNIT READY
	fmt.Printf("%v %v\n", res.Status, res.Code())
	// Output:
	// GOOD "hell"
	// CHECK CONDITION illegal request: invalid command operation code (5/20/00)
}
