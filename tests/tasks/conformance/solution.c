#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char line[400000];

static int deeper(volatile int n) {
    volatile char frame[4096];
    frame[n % 4096] = (char)n;
    return deeper(n + 1) + frame[n % 4096];
}

int main(void) {
    char which[16];
    volatile int one = 0, other = 0;
    int number, total = 0;
    if (scanf("%15s", which) != 1) return 9;
    if (!strcmp(which, "sum")) {
        while (scanf("%d", &number) == 1) total += number;
        printf("%d\n", total);
    } else if (!strcmp(which, "bare")) {
        printf("42");
    } else if (!strcmp(which, "wrong")) {
        printf("41\n");
    } else if (!strcmp(which, "exception")) {
        abort();
    } else if (!strcmp(which, "exit")) {
        exit(3);
    } else if (!strcmp(which, "signal")) {
        raise(SIGKILL);
    } else if (!strcmp(which, "loop")) {
        while (1) one++;
    } else if (!strcmp(which, "sleep")) {
        sleep(60);
    } else if (!strcmp(which, "memory")) {
        while (1) {
            char *held = malloc(1 << 20);
            if (held) memset(held, 1, 1 << 20);
        }
    } else if (!strcmp(which, "recursion")) {
        printf("%d\n", deeper(0));
    } else if (!strcmp(which, "flood")) {
        while (1) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    } else if (!strcmp(which, "early")) {
        exit(0);
    } else if (!strcmp(which, "closed")) {
        fclose(stdout);
        printf("42\n");
    } else if (!strcmp(which, "line")) {
        if (scanf("%399999s", line) == 1) printf("%zu\n", strlen(line));
    } else if (!strcmp(which, "bytes")) {
        fwrite("4\xff\xfe" "2\n", 1, 5, stdout);
    } else if (!strcmp(which, "past")) {
        if (scanf("%d", &number) == 1) one = number;
        if (scanf("%d", &number) == 1) other = number;
        printf("%d\n", one + other);
    }
    return 0;
}
