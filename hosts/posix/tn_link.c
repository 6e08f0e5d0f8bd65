/*
 * News of the network: netlink on Linux, a routing socket elsewhere.
 */
#include "tn_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#else
#include <net/route.h>
#endif

int tn_link_open(void)
{
#ifdef __linux__
	struct sockaddr_nl groups = {
	    .nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)(const void *)&groups, sizeof groups) != 0) {
		close(fd);
		fd = -1;
	}
#else
	int fd = socket(PF_ROUTE, SOCK_RAW, 0);
#endif
	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	}
	return fd;
}

bool tn_link_take(int fd)
{
	uint8_t news[8192];
	bool has_news = false;
	for (;;) {
		ssize_t size = recv(fd, news, sizeof news, 0);
		if (size > 0 || (size < 0 && errno == ENOBUFS)) /* ENOBUFS: some were lost */
			has_news = true;
		else if (size == 0 || errno != EINTR)
			return has_news;
	}
}
