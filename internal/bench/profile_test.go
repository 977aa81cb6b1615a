package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	kernel, user, err := split(`# Samples: 9K of event 'cpu-clock:ppp'
#
# Overhead  Shared Object      Symbol
# ........  .................  ..............................
#
    40.00%  [kernel.kallsyms]  [k] rep_movs_alternative
    20.00%  target             [.] github.com/goscst/goscst/x.(*y[go.shape.int]).z
    19.00%  [tcp_bbr]          [k] bbr_main
     1.00%  [vdso]             [.] __vdso_clock_gettime
`)
	require.NoError(t, err)
	require.InDelta(t, 59.0/80, kernel, 1e-9)
	require.InDelta(t, 21.0/80, user, 1e-9)
	_, _, err = split("# nothing\n")
	require.ErrorIs(t, err, errNoSamples)
}
