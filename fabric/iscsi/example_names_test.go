package iscsi_test

import (
	"fmt"

	"github.com/goscst/goscst/fabric/iscsi"
)

// The names of targets come from people, so an application checks them.
func ExampleCheckName() {
	for _, name := range []string{"iqn.2026-11.com.example:disk", "disk"} {
		if err := iscsi.CheckName(name); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(name, "is fine")
	}
	// Output:
	// iqn.2026-11.com.example:disk is fine
	// iscsi: a name is of type iqn, eui or naa
}
