package iscsi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

func TestSmoke(t *testing.T) {
	for _, pipe := range []bool{false, true} {
		l := newLab(t)
		p := l.login(pipe)
		data := make([]byte, 4096)
		for i := range data {
			data[i] = byte(i * 7)
		}
		c := p.writeCmd(0, 5, 8)
		p.send(c.Header, data)
		p.good()
		require.Equal(t, data, l.fast.peek(5, 4096))
		c = p.readCmd(0, 5, 8)
		p.send(c.Header, nil)
		got, h := p.readData(c, 8192, 262144)
		require.Equal(t, data, got)
		require.Equal(t, uint8(scsi.StatusGood), h.DataIn().Status())
	}
}
