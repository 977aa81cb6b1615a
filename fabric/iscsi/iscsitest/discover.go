package iscsitest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
)

// Target is a target that discovery has found.
type Target struct {
	Name      string
	Addresses []string // HOST:PORT,GROUP
}

// Discover asks for all targets at a TCP address (SendTargets=All) under the
// initiator's name; "" is DefaultName.
func Discover(ctx context.Context, address, name string) ([]Target, error) {
	var c conn
	if err := c.open(ctx, address, &Options{Name: name}, []string{"SessionType=Discovery"}); err != nil {
		return nil, err
	}
	defer c.nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.nc.Close() })
	defer stop()
	h := new(pdu.Header)
	r := h.InitTextRequest()
	r.SetFinal(true)
	r.SetITT(2)
	r.SetTTT(pdu.ReservedTag)
	r.SetCmdSN(1)
	r.SetExpStatSN(c.expStatSN.Load())
	if err := c.send(h, []byte("SendTargets=All\x00")); err != nil {
		return nil, err
	}
	h, data, err := c.read()
	if err != nil {
		return nil, err
	}
	if h.Opcode() != pdu.OpTextResponse || !h.Final() {
		return nil, fmt.Errorf("iscsitest: %v instead of a final Text Response", h.Opcode())
	}
	return parseTargets(string(data))
}

func parseTargets(text string) ([]Target, error) {
	var list []Target
	for _, kv := range strings.Split(strings.TrimRight(text, "\x00"), "\x00") {
		switch k, v, _ := strings.Cut(kv, "="); {
		case k == "TargetName":
			list = append(list, Target{Name: v})
		case k == "TargetAddress" && len(list) > 0:
			t := &list[len(list)-1]
			t.Addresses = append(t.Addresses, v)
		case kv != "":
			return nil, errors.New("iscsitest: SendTargets: unexpected " + kv)
		}
	}
	return list, nil
}
