package uaq_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/uaq"
	"github.com/goscst/goscst/scsi"
)

func Example() {
	var q uaq.Queue
	q.Add(scsi.CapacityChanged)
	q.Add(scsi.ModeParametersChanged)
	q.Add(scsi.CapacityChanged)
	for ua := q.Next(); ua != 0; ua = q.Next() {
		fmt.Println(ua)
	}
	// Output:
	// unit attention: capacity data has changed (6/2a/09)
	// unit attention: mode parameters changed (6/2a/01)
}

const transceiver scsi.Sense = 0x06_29_05

func drain(q *uaq.Queue) (out []scsi.Sense) {
	for ua := q.Next(); ua != 0; ua = q.Next() {
		out = append(out, ua)
	}
	return out
}

func TestRules(t *testing.T) {
	type op struct {
		restore bool
		ua      scsi.Sense
	}
	add := func(list ...scsi.Sense) (ops []op) {
		for _, ua := range list {
			ops = append(ops, op{ua: ua})
		}
		return ops
	}
	tests := []struct {
		name string
		ops  []op
		want []scsi.Sense
	}{
		{"in order of arrival", add(scsi.CapacityChanged, scsi.ModeParametersChanged), []scsi.Sense{scsi.CapacityChanged, scsi.ModeParametersChanged}},
		{"once", add(scsi.CapacityChanged, scsi.CapacityChanged), []scsi.Sense{scsi.CapacityChanged}},
		{"a reset forgets what was before", add(scsi.CapacityChanged, scsi.DeviceReset, scsi.ModeParametersChanged), []scsi.Sense{scsi.DeviceReset, scsi.ModeParametersChanged}},
		{"power on covers a reset", add(scsi.PowerOnOccurred, scsi.DeviceReset), []scsi.Sense{scsi.PowerOnOccurred}},
		{"power on covers the loss of the nexus", add(scsi.PowerOnOccurred, scsi.NexusLoss), []scsi.Sense{scsi.PowerOnOccurred}},
		{"a reset takes the place of the loss of the nexus", add(scsi.NexusLoss, scsi.DeviceReset), []scsi.Sense{scsi.DeviceReset}},
		{"the loss of the nexus forgets what was before", add(scsi.CapacityChanged, scsi.NexusLoss), []scsi.Sense{scsi.NexusLoss}},
		{"and is not told beside a reset", add(scsi.DeviceReset, scsi.NexusLoss), []scsi.Sense{scsi.DeviceReset}},
		{"a transceiver's mode is no reset", add(scsi.CapacityChanged, transceiver, scsi.PowerOnOccurred, transceiver), []scsi.Sense{scsi.PowerOnOccurred, transceiver}},
		{"what comes back is first", append(add(scsi.ModeParametersChanged), op{true, scsi.CapacityChanged}), []scsi.Sense{scsi.CapacityChanged, scsi.ModeParametersChanged}},
		{"what comes back is there once", append(add(scsi.ModeParametersChanged, scsi.CapacityChanged), op{true, scsi.CapacityChanged}), []scsi.Sense{scsi.CapacityChanged, scsi.ModeParametersChanged}},
		{"a covered reset does not come back", append(add(scsi.PowerOnOccurred), op{true, scsi.DeviceReset}), []scsi.Sense{scsi.PowerOnOccurred}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var q uaq.Queue
			for _, o := range tt.ops {
				if o.restore {
					q.Restore(o.ua)
				} else {
					q.Add(o.ua)
				}
			}
			if len(tt.want) > 0 {
				require.Equal(t, tt.want[0], q.Peek())
			}
			require.Equal(t, len(tt.want), q.Len())
			require.Equal(t, tt.want, drain(&q))
			require.Zero(t, q.Peek())
		})
	}
}

func TestFull(t *testing.T) {
	var q uaq.Queue
	for i := range uaq.Max + 3 {
		q.Add(scsi.MakeSense(scsi.KeyUnitAttention, 0x2A, uint8(i)))
	}
	require.Equal(t, uaq.Max, q.Len())
	require.Equal(t, uint8(3), q.Peek().ASCQ(), "the oldest make room")
	q.Restore(scsi.CapacityChanged)
	require.Equal(t, uaq.Max, q.Len())
	q.Remove(q.Peek())
	require.Equal(t, uaq.Max-1, q.Len())
}

// TestTakeLosses: what tells of lost commands leaves, in its order, and the rest stays in its.
func TestTakeLosses(t *testing.T) {
	var q uaq.Queue
	require.Empty(t, q.TakeLosses())
	for _, ua := range []scsi.Sense{scsi.DeviceReset, scsi.CapacityChanged, scsi.CommandsCleared, scsi.InquiryDataChanged} {
		q.Add(ua)
	}
	require.Equal(t, []scsi.Sense{scsi.DeviceReset, scsi.CommandsCleared}, q.TakeLosses())
	require.Empty(t, q.TakeLosses())
	require.Equal(t, []scsi.Sense{scsi.CapacityChanged, scsi.InquiryDataChanged}, drain(&q))
	require.True(t, uaq.Cleared(scsi.CommandsCleared))
	require.False(t, uaq.Cleared(scsi.DeviceReset))
	for _, ua := range []scsi.Sense{scsi.CommandsCleared, scsi.PowerOnOccurred, scsi.DeviceReset, scsi.NexusLoss} {
		require.True(t, uaq.Loss(ua), ua)
	}
	require.False(t, uaq.Loss(scsi.InquiryDataChanged))
}
