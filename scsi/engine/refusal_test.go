package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

// TestRefusalIsFinal: a handler that refuses an initiator which comes to another group is not
// asked again.
func TestRefusalIsFinal(t *testing.T) {
	old, other := &hooks{}, &hooks{}
	b := newBench(t, old, nil, nil)
	d, err := b.e.AddDevice("other", other, nil)
	require.NoError(t, err)
	asked := 0
	other.attach = func(*scsi.Nexus) error {
		if asked++; asked == 1 {
			return scsi.LogicalUnitNotSupported
		}
		return nil
	}
	g := b.tgt.Group("g")
	require.NoError(t, g.Map(0, d, nil))
	p := b.login("a", nil)
	require.NoError(t, g.AddInitiator("a"))
	require.Equal(t, 1, asked)
	require.Zero(t, p.s.Info().LUNs)
	b.close()
}
