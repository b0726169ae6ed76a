; What scripts/demo has GIMP do. Each step is a GIMP run of its own.

(define (demo-load file)
  (car (gimp-file-load RUN-NONINTERACTIVE file)))

(define (demo-export image file)
  (let ((copy (car (gimp-image-duplicate image))))
    (gimp-image-merge-visible-layers copy CLIP-TO-IMAGE)
    (gimp-file-save RUN-NONINTERACTIVE copy file)
    (gimp-image-delete copy)))

(define (demo-layer image)
  (vector (vector-ref (car (gimp-image-get-layers image))
                      (- (vector-length (car (gimp-image-get-layers image))) 1))))

; A photograph with a selected region whose edge is soft.
(define (demo-open photo folder)
  (let ((image (demo-load photo)))
    (gimp-image-scale image 800 450)
    (demo-export image (string-append folder "/before.png"))
    (gimp-image-select-polygon image CHANNEL-OP-REPLACE #(0 362 800 356 800 450 0 450))
    (gimp-selection-feather image 10)
    (gimp-xcf-save 0 image (string-append folder "/result.xcf"))))

(define (demo-fill folder prompt seed)
  (let* ((file  (string-append folder "/result.xcf"))
         (image (demo-load file)))
    (plug-in-palimpsest-fill #:run-mode RUN-NONINTERACTIVE #:image image
                             #:drawables (demo-layer image) #:prompt prompt #:seed seed)
    (demo-export image (string-append folder "/fill.png"))
    (gimp-xcf-save 0 image file)))

(define (demo-restyle folder prompt seed)
  (let* ((file  (string-append folder "/result.xcf"))
         (image (demo-load file)))
    (gimp-selection-none image)
    (plug-in-palimpsest-restyle #:run-mode RUN-NONINTERACTIVE #:image image
                                #:drawables (demo-layer image) #:prompt prompt #:seed seed)
    (demo-export image (string-append folder "/restyle.png"))
    (gimp-xcf-save 0 image file)))

; The dialog over an open picture, for the screenshot.
(define (demo-dialog folder prompt)
  (let ((image (demo-load (string-append folder "/result.xcf"))))
    (gimp-display-new image)
    (plug-in-palimpsest-fill #:run-mode RUN-INTERACTIVE #:image image
                             #:drawables (demo-layer image) #:prompt prompt)))
