obj/file0.o: src/file0.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file1.o: src/file1.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file2.o: src/file2.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file3.o: src/file3.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file4.o: src/file4.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file5.o: src/file5.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file6.o: src/file6.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file7.o: src/file7.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file8.o: src/file8.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file9.o: src/file9.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file10.o: src/file10.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file11.o: src/file11.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file12.o: src/file12.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file13.o: src/file13.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file14.o: src/file14.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file15.o: src/file15.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file16.o: src/file16.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file17.o: src/file17.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file18.o: src/file18.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file19.o: src/file19.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file20.o: src/file20.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file21.o: src/file21.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file22.o: src/file22.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file23.o: src/file23.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file24.o: src/file24.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file25.o: src/file25.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file26.o: src/file26.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file27.o: src/file27.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file28.o: src/file28.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file29.o: src/file29.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file30.o: src/file30.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file31.o: src/file31.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file32.o: src/file32.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file33.o: src/file33.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file34.o: src/file34.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file35.o: src/file35.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file36.o: src/file36.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file37.o: src/file37.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file38.o: src/file38.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file39.o: src/file39.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file40.o: src/file40.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file41.o: src/file41.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file42.o: src/file42.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file43.o: src/file43.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file44.o: src/file44.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file45.o: src/file45.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file46.o: src/file46.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file47.o: src/file47.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file48.o: src/file48.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file49.o: src/file49.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file50.o: src/file50.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file51.o: src/file51.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file52.o: src/file52.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file53.o: src/file53.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file54.o: src/file54.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file55.o: src/file55.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file56.o: src/file56.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file57.o: src/file57.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file58.o: src/file58.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file59.o: src/file59.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file60.o: src/file60.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file61.o: src/file61.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file62.o: src/file62.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file63.o: src/file63.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file64.o: src/file64.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file65.o: src/file65.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file66.o: src/file66.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file67.o: src/file67.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file68.o: src/file68.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file69.o: src/file69.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file70.o: src/file70.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file71.o: src/file71.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file72.o: src/file72.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file73.o: src/file73.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file74.o: src/file74.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file75.o: src/file75.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file76.o: src/file76.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file77.o: src/file77.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file78.o: src/file78.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file79.o: src/file79.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file80.o: src/file80.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file81.o: src/file81.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file82.o: src/file82.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file83.o: src/file83.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file84.o: src/file84.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file85.o: src/file85.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file86.o: src/file86.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file87.o: src/file87.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file88.o: src/file88.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file89.o: src/file89.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file90.o: src/file90.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file91.o: src/file91.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file92.o: src/file92.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file93.o: src/file93.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file94.o: src/file94.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file95.o: src/file95.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file96.o: src/file96.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file97.o: src/file97.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file98.o: src/file98.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file99.o: src/file99.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file100.o: src/file100.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file101.o: src/file101.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file102.o: src/file102.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file103.o: src/file103.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file104.o: src/file104.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file105.o: src/file105.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file106.o: src/file106.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file107.o: src/file107.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file108.o: src/file108.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file109.o: src/file109.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file110.o: src/file110.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file111.o: src/file111.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file112.o: src/file112.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file113.o: src/file113.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file114.o: src/file114.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file115.o: src/file115.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file116.o: src/file116.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file117.o: src/file117.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file118.o: src/file118.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file119.o: src/file119.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file120.o: src/file120.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file121.o: src/file121.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file122.o: src/file122.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file123.o: src/file123.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file124.o: src/file124.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file125.o: src/file125.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file126.o: src/file126.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file127.o: src/file127.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file128.o: src/file128.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file129.o: src/file129.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file130.o: src/file130.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file131.o: src/file131.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file132.o: src/file132.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file133.o: src/file133.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file134.o: src/file134.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file135.o: src/file135.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file136.o: src/file136.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file137.o: src/file137.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file138.o: src/file138.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file139.o: src/file139.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file140.o: src/file140.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file141.o: src/file141.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file142.o: src/file142.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file143.o: src/file143.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file144.o: src/file144.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file145.o: src/file145.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file146.o: src/file146.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file147.o: src/file147.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file148.o: src/file148.c
	$(CC) $(CFLAGS) -c -o $@ $<

obj/file149.o: src/file149.c
	$(CC) $(CFLAGS) -c -o $@ $<

