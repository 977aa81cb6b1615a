package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// greeter is a processor device that answers vendor-specific opcode C0h.
type greeter struct{}

func (greeter) Describe() (scsi.Description, error) {
	return scsi.Description{Type: scsi.TypeProcessor, NonBlocking: true}, nil
}

func (greeter) Exec(c *scsi.Command) error {
	switch c.CDB()[0] {
	case byte(scsi.OpTestUnitReady):
		return nil
	case 0xC0:
		return c.Reply([]byte("hello, " + c.Nexus().Initiator))
	}
	return scsi.InvalidOpcode
}

// An engine serves a device to an initiator in the same process; a disk would be made with
// disk.New, and served over TCP with iscsi.Server.
func Example() {
	ctx := context.Background()
	eng := engine.New(nil)
	dev, err := eng.AddDevice("greeter", greeter{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	tgt, err := eng.AddTarget("iqn.2026-11.com.example:greeter", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := tgt.Map(0, dev, nil); err != nil {
		log.Fatal(err)
	}
	tgt.Enable()

	initiator, err := local.Login(ctx, tgt, &local.Options{Name: "iqn.2026-11.com.example:client"})
	if err != nil {
		log.Fatal(err)
	}
	if err := initiator.WaitReady(ctx, 0); err != nil { // tells the first unit attentions
		log.Fatal(err)
	}
	in := make([]byte, 64)
	res, err := initiator.Do(ctx, 0, []byte{0xC0, 0}, nil, in)
	fmt.Println(string(in[:res.N]), err)

	if err := eng.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(eng.Stats().Commands > 0, len(eng.Devices()))
	// Output:
	// hello, iqn.2026-11.com.example:client <nil>
	// true 0
}

// Changes of the LUN map are seen at once; who may see a unit is chosen by name.
func ExampleGroup() {
	eng := engine.New(nil)
	defer eng.Close()
	public, _ := eng.AddDevice("public", greeter{}, nil)
	private, _ := eng.AddDevice("private", greeter{}, nil)
	tgt, _ := eng.AddTarget("iqn.2026-11.com.example:both", nil)
	if err := tgt.Map(0, public, nil); err != nil {
		log.Fatal(err)
	}
	vip := tgt.Group("vip")
	if err := vip.AddInitiator("iqn.*:boss"); err != nil {
		log.Fatal(err)
	}
	if err := vip.Map(0, public, nil); err != nil {
		log.Fatal(err)
	}
	if err := vip.Map(1, private, &engine.LUNOptions{ReadOnly: true}); err != nil {
		log.Fatal(err)
	}
	tgt.Enable()
	for _, name := range []string{"iqn.2026-11.com.example:clerk", "iqn.2026-11.com.example:boss"} {
		initiator, err := local.Login(context.Background(), tgt, &local.Options{Name: name})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q sees %d\n", initiator.Session().Group, initiator.Session().LUNs)
	}
	// Output:
	// "" sees 1
	// "vip" sees 2
}
