#!/bin/sh
. /labs/common.sh
network_up 10.0.2.15/24 10.0.2.2
